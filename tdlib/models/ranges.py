"""What a setting may be: a type for a constructor's argument, with a test and the words of the refusal.

`models.build` reads them from the signature and refuses "<model>: <setting> must be <words>, got <value>".
"""

from typing import Annotated

Size = Annotated[int, lambda n: n >= 1, "at least 1"]
Rate = Annotated[float, lambda p: 0 <= p < 1, "at least 0 and below 1"]
