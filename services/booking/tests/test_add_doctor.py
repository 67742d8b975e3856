"""Does a doctor enter the catalogue once, and only with a valid licence number?"""

from dataclasses import replace
from uuid import UUID

import pytest

from booking.add_doctor.decide import ADD_DOCTOR, AddDoctor, DoctorExists, DoctorInvalid, PwzInvalid
from portal_events.booking import DoctorAdded
from portal_eventstore.spec import given

ID = UUID(int=1)
ANNA = AddDoctor(doctor_id=ID, name="lek. med. Anna Nowak", pwz="5425740", languages=("pl", "en"))
ADDED = DoctorAdded(doctor_id=ID, name="lek. med. Anna Nowak", pwz="5425740", languages=("pl", "en"))


def test_given_nothing_when_added_then_in_the_catalogue() -> None:
    given(ADD_DOCTOR).when(ANNA).then(ADDED)


def test_given_the_doctor_when_added_again_then_nothing() -> None:
    given(ADD_DOCTOR, ADDED).when(ANNA).then_nothing()


def test_given_another_doctor_with_the_id_when_added_then_refused() -> None:
    given(ADD_DOCTOR, ADDED).when(replace(ANNA, name="lek. med. Jan Nowak")).then_refused(DoctorExists)


@pytest.mark.parametrize(
    "pwz",
    [
        "5425741",  # check digit
        "0425740",  # first digit 0
        "542574",
        "54257400",
        "542574a",
        "٥٤٢٥٧٤٠",  # digits, but not ASCII's
        "5425740\n",
    ],
)
def test_given_a_wrong_licence_number_when_added_then_refused(pwz: str) -> None:
    given(ADD_DOCTOR).when(replace(ANNA, pwz=pwz)).then_refused(PwzInvalid)


@pytest.mark.parametrize(
    "command",
    [
        replace(ANNA, name=" "),
        replace(ANNA, name="Anna\0"),
        replace(ANNA, languages=()),
        replace(ANNA, languages=("pl", "pl")),
        replace(ANNA, languages=("pl", "xx")),
        replace(ANNA, languages=("PL",)),
        replace(ANNA, languages=("pol",)),
    ],
)
def test_given_no_name_or_no_language_when_added_then_refused(command: AddDoctor) -> None:
    given(ADD_DOCTOR).when(command).then_refused(DoctorInvalid)
