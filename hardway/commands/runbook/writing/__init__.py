"""The guide as text: parts, drawings, Markdown and HTML."""
