"""What runs inside the sandbox, under the judged programs' interpreter: standard library, pytest and coverage only.

`start.py` is executed as a script and loads the other modules as the package `kodcode_guest`; nothing here may import
the pipeline.
"""
