"""What a setting may be: a type for a constructor's argument, with a test and the words of the refusal.

`models.build` reads them from the signature and refuses "<model>: <setting> must be <words>, got <value>".
"""

from typing import Annotated

Size = Annotated[int, lambda n: n >= 1, "at least 1"]
Width = Annotated[int, lambda n: n >= 2, "at least 2"]  # one number alone has no deviation for a norm of a batch of one
Rate = Annotated[float, lambda p: 0 <= p < 1, "at least 0 and below 1"]
