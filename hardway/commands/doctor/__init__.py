"""`hardway doctor`: why is it broken? Known failures, each with its remedy, ordered by cause; nothing is changed.

Read `diagnoses.DIAGNOSES` for the list. A diagnosis looks at the patient and gives findings; which findings explain
which is told by the diagnoses themselves, so what is only a consequence stands beneath its cause. The checks of
`hardway verify` that change nothing are diagnoses too.
"""

from .diagnoses import DIAGNOSES
from .diagnosis import Diagnosis, Finding
from .examination import Examination, examine
from .output import to_json, to_text

__all__ = ["DIAGNOSES", "Diagnosis", "Examination", "Finding", "examine", "to_json", "to_text"]
