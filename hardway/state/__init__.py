"""The state directory on this computer: keys, certificates, logs; written so that nothing is ever lost."""
