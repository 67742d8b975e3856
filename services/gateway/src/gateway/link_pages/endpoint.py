"""What opens when a person follows a link that was sent by e-mail?

The link's token stands after the `#`, which browsers send to nobody: the page's script takes it out of the
address bar and hands it to the API, and to nothing else.
"""

from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway.edge.page import Language, Page, Said

router = APIRouter(include_in_schema=False)

_FOLDER: Final = Path(__file__).parent
_SCRIPT: Final = _FOLDER.joinpath("link-page.js").read_bytes()


def _page(name: str, polish: str, english: str) -> Page:
    said = {
        language: Said(title, _FOLDER.joinpath(f"{name}.{language}.html").read_text(encoding="utf-8"))
        for language, title in ((Language.POLISH, polish), (Language.ENGLISH, english))
    }
    return Page(said, script="/link-page.js")


_RESET: Final = _page("password-reset", "Nowe hasło", "New password")
_CONFIRMATION: Final = _page("email-confirmation", "Potwierdzenie adresu", "Confirm your address")


@router.api_route("/password-reset", methods=["GET", "HEAD"])
async def password_reset(request: Request) -> Response:
    """Let a person who lost the password set another one."""
    return _RESET.answer(request.headers)


@router.api_route("/email-confirmation", methods=["GET", "HEAD"])
async def email_confirmation(request: Request) -> Response:
    """Let a person say that an address is theirs."""
    return _CONFIRMATION.answer(request.headers)


@router.api_route("/link-page.js", methods=["GET", "HEAD"])
async def script() -> Response:
    """Give both pages their script."""
    headers = {"cache-control": "no-cache"}
    return Response(_SCRIPT, headers=headers, media_type="text/javascript; charset=utf-8")
