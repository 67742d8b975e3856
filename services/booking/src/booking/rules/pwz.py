"""Is this a doctor's licence number (PWZ, numer prawa wykonywania zawodu)?

Seven digits K ABCDEF, the first not 0, K = (1A + 2B + 3C + 4D + 5E + 6F) mod 11: the Central Register of
Doctors' check digit (https://nil.org.pl), which therefore never is 10.
"""

import re

_PWZ = re.compile(r"[1-9][0-9]{6}")


def pwz_valid(pwz: str) -> bool:
    """Say whether the number is well formed and its check digit is right."""
    if not _PWZ.fullmatch(pwz):
        return False
    check, *digits = (int(digit) for digit in pwz)
    return sum(weight * digit for weight, digit in enumerate(digits, start=1)) % 11 == check
