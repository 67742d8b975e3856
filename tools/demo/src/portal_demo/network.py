"""Which services does the demo network offer, and at which facilities?

Ids are UUIDv5 of names, so that seeding again finds what is there.
"""

from functools import partial
from typing import Final
from uuid import UUID, uuid5

from booking.add_facility.decide import AddFacility
from booking.add_service.decide import AddService
from portal_events.booking import Mode, ServiceKind
from portal_events.identity import Level

NAMESPACE: Final = UUID("c1a0c0de-5e1f-5d3a-8f3e-2d7a4b6c9e10")
ZONE: Final = "Europe/Warsaw"

_IN_PERSON: Final = (Mode.IN_PERSON,)
_TELEPHONE: Final = (Mode.TELEPHONE,)
_ALSO_VIDEO: Final = (Mode.IN_PERSON, Mode.VIDEO)
_ALSO_TELEPHONE: Final = (Mode.IN_PERSON, Mode.TELEPHONE)
_EVERY_WAY: Final = (Mode.IN_PERSON, Mode.TELEPHONE, Mode.VIDEO)
_EVERYBODY: Final = (Level.BASIC, Level.FULL)
_CONFIRMED: Final = (Level.FULL,)

_NOTHING: Final = ("", "")
_BLOOD: Final = (
    "Proszę przyjść na czczo: ostatni posiłek 8-12 godzin wcześniej; można pić wodę.",
    "Please come fasting: your last meal 8 to 12 hours before; water is allowed.",
)
_EMPTY_STOMACH: Final = (
    (
        "Przez 6 godzin przed badaniem proszę nie jeść, nie żuć gumy i nie palić. Na godzinę przed badaniem "
        "proszę wypić litr niegazowanej wody i nie oddawać moczu."
    ),
    (
        "Do not eat, chew gum or smoke for 6 hours before. Drink a litre of still water an hour before and "
        "do not empty your bladder."
    ),
)
_GASTROSCOPY: Final = (
    (
        "Proszę nie jeść przez 8 godzin i nie pić przez 4 godziny przed badaniem. Proszę zabrać listę leków; "
        "po znieczuleniu nie wolno prowadzić samochodu do końca dnia."
    ),
    (
        "Do not eat for 8 hours and do not drink for 4 hours before. Bring a list of your medicines; after "
        "sedation you must not drive for the rest of the day."
    ),
)
_COLONOSCOPY: Final = (
    (
        "Przez trzy dni przed badaniem dieta bez pestek i warzyw; dzień wcześniej tylko płyny i środek "
        "przeczyszczający według ulotki z recepcji. Proszę przyjść z osobą towarzyszącą."
    ),
    (
        "For three days before, no seeds and no vegetables; on the day before only liquids and the laxative "
        "as the desk's leaflet says. Please come with somebody who can take you home."
    ),
)
_ECG: Final = (
    "Proszę przyjść wypoczętym i przez godzinę przed badaniem nie pić kawy.",
    "Come rested, and drink no coffee for an hour before.",
)
_XRAY: Final = (
    "Proszę zdjąć biżuterię i powiedzieć personelowi o ciąży.",
    "Take off jewellery, and tell the staff if you are pregnant.",
)
_TEETH: Final = (
    "Proszę umyć zęby i zabrać wcześniejsze zdjęcia rentgenowskie, jeśli są.",
    "Please brush your teeth, and bring earlier X-ray pictures if you have any.",
)
_VACCINATION: Final = (
    "Proszę zabrać książeczkę szczepień. Przy gorączce szczepienie przekładamy.",
    "Bring your vaccination record. With a fever the vaccination is postponed.",
)
_EXERCISE: Final = (
    "Wygodny strój i obuwie na zmianę; proszę zabrać skierowanie.",
    "Comfortable clothes and indoor shoes; please bring your referral.",
)
_AT_WORK: Final = (
    "Proszę zabrać skierowanie od pracodawcy, dokument tożsamości i okulary, jeśli je Pan/Pani nosi.",
    "Bring your employer's referral, an identity document, and your glasses if you wear any.",
)


def demo_id(name: str) -> UUID:
    """Return the id that this part of the demo has in every portal."""
    return uuid5(NAMESPACE, name)


def _service(  # noqa: PLR0913 - a row of the table below
    key: str,
    name: str,
    name_en: str,
    price: int,
    *,
    kind: ServiceKind = ServiceKind.CONSULTATION,
    modes: tuple[Mode, ...] = _IN_PERSON,
    covered: bool = False,
    levels: tuple[Level, ...] = _EVERYBODY,
    preparation: tuple[str, str] = _NOTHING,
) -> tuple[str, AddService]:
    """Describe a service; `price` is in złoty. Rehabilitation needs a referral."""
    polish, english = preparation
    return key, AddService(
        service_id=demo_id(f"service/{key}"),
        name=name,
        name_en=name_en,
        kind=kind,
        modes=modes,
        levels=levels,
        referral_required=kind is ServiceKind.REHABILITATION,
        price=100 * price,
        covered=covered,
        preparation=polish,
        preparation_en=english,
    )


_dentistry = partial(_service, kind=ServiceKind.DENTISTRY)
_examination = partial(_service, kind=ServiceKind.EXAMINATION)
_vaccination = partial(_service, kind=ServiceKind.VACCINATION, preparation=_VACCINATION)
_rehabilitation = partial(_service, kind=ServiceKind.REHABILITATION, levels=_CONFIRMED, preparation=_EXERCISE)
_at_work = partial(_service, kind=ServiceKind.OCCUPATIONAL_MEDICINE, covered=True, preparation=_AT_WORK)

SERVICES: Final = dict(
    (
        _service("internist", "Internista", "Internist", 199, modes=_EVERY_WAY, covered=True),
        _service("family", "Lekarz rodzinny", "Family doctor", 179, modes=_ALSO_VIDEO, covered=True),
        _service("paediatrician", "Pediatra", "Paediatrician", 209, modes=_ALSO_VIDEO, covered=True),
        _service("gynaecologist", "Ginekolog", "Gynaecologist", 259, covered=True),
        _service("dermatologist", "Dermatolog", "Dermatologist", 239, modes=_ALSO_VIDEO, covered=True),
        _service("cardiologist", "Kardiolog", "Cardiologist", 279),
        _service("ophthalmologist", "Okulista", "Ophthalmologist", 229, covered=True),
        _service("orthopaedist", "Ortopeda", "Orthopaedist", 249),
        _service("ent", "Laryngolog", "ENT specialist", 229, covered=True),
        _service("neurologist", "Neurolog", "Neurologist", 269),
        _service("endocrinologist", "Endokrynolog", "Endocrinologist", 259, modes=_ALSO_TELEPHONE),
        _service("gastroenterologist", "Gastroenterolog", "Gastroenterologist", 269),
        _service("urologist", "Urolog", "Urologist", 259),
        _service("psychiatrist", "Psychiatra", "Psychiatrist", 299, modes=_ALSO_VIDEO),
        _service("psychologist", "Psycholog", "Psychologist", 219, modes=_ALSO_VIDEO),
        _service("allergist", "Alergolog", "Allergist", 239),
        _service("surgeon", "Chirurg", "Surgeon", 239),
        _service("dietitian", "Dietetyk", "Dietitian", 179, modes=_ALSO_VIDEO),
        _service(
            "telephone",
            "Konsultacja telefoniczna",
            "Telephone consultation",
            99,
            modes=_TELEPHONE,
            covered=True,
        ),
        _dentistry("dentist", "Stomatolog", "Dentist", 249, preparation=_TEETH),
        _dentistry("scaling", "Skaling i piaskowanie", "Scale and polish", 320),
        _dentistry("endodontics", "Leczenie kanałowe", "Root canal treatment", 790, preparation=_TEETH),
        _dentistry("orthodontist", "Ortodonta", "Orthodontist", 290, preparation=_TEETH),
        _examination(
            "blood-test", "Badania krwi (pobranie)", "Blood tests", 49, covered=True, preparation=_BLOOD
        ),
        _examination("ecg", "EKG spoczynkowe", "Resting ECG", 69, covered=True, preparation=_ECG),
        _examination("echocardiography", "Echo serca", "Echocardiography", 290),
        _examination(
            "abdominal-ultrasound",
            "USG jamy brzusznej",
            "Abdominal ultrasound",
            219,
            preparation=_EMPTY_STOMACH,
        ),
        _examination("thyroid-ultrasound", "USG tarczycy", "Thyroid ultrasound", 189),
        _examination(
            "chest-x-ray", "RTG klatki piersiowej", "Chest X-ray", 119, covered=True, preparation=_XRAY
        ),
        _examination(
            "gastroscopy", "Gastroskopia", "Gastroscopy", 590, levels=_CONFIRMED, preparation=_GASTROSCOPY
        ),
        _examination(
            "colonoscopy", "Kolonoskopia", "Colonoscopy", 790, levels=_CONFIRMED, preparation=_COLONOSCOPY
        ),
        _vaccination("flu-vaccination", "Szczepienie przeciw grypie", "Flu vaccination", 99, covered=True),
        _vaccination(
            "tick-vaccination",
            "Szczepienie przeciw kleszczowemu zapaleniu mózgu",
            "Tick-borne encephalitis vaccination",
            189,
        ),
        _vaccination("hpv-vaccination", "Szczepienie przeciw HPV", "HPV vaccination", 690),
        _rehabilitation(
            "exercise-therapy", "Ćwiczenia z fizjoterapeutą", "Exercise therapy", 149, covered=True
        ),
        _rehabilitation("manual-therapy", "Terapia manualna", "Manual therapy", 189),
        _rehabilitation("therapeutic-massage", "Masaż leczniczy", "Therapeutic massage", 139),
        _at_work(
            "occupational-initial",
            "Medycyna pracy: badanie wstępne",
            "Occupational medicine: initial examination",
            159,
        ),
        _at_work(
            "occupational-periodic",
            "Medycyna pracy: badanie okresowe",
            "Occupational medicine: periodic examination",
            159,
        ),
        _at_work(
            "occupational-follow-up",
            "Medycyna pracy: badanie kontrolne",
            "Occupational medicine: follow-up examination",
            159,
        ),
    )
)


def _facility(
    key: str, name: str, address: str, phone: str, *, partner: bool = False
) -> tuple[str, AddFacility]:
    """Describe a facility at "street, 00-000 city"."""
    street, place = address.rsplit(", ", 1)
    postal_code, city = place.split(" ", 1)
    return key, AddFacility(
        facility_id=demo_id(f"facility/{key}"),
        name=name,
        street=street,
        postal_code=postal_code,
        city=city,
        zone=ZONE,
        phone=phone,
        partner=partner,
    )


FACILITIES: Final = dict(
    (
        _facility("ochota", "Zdrovia Ochota", "ul. 1 Sierpnia 8, 02-134 Warszawa", "+48225550110"),
        _facility("mokotow", "Zdrovia Mokotów", "ul. Domaniewska 41B, 02-672 Warszawa", "+48225550120"),
        _facility("wola", "Zdrovia Wola", "ul. Prosta 51, 00-838 Warszawa", "+48225550130"),
        _facility(
            "targowek",
            "Rehamed Targówek",
            "ul. Radzymińska 150, 03-574 Warszawa",
            "+48225550140",
            partner=True,
        ),
        _facility("kazimierz", "Zdrovia Kazimierz", "ul. Dietla 60, 31-039 Kraków", "+48125550150"),
        _facility("krowodrza", "Zdrovia Krowodrza", "ul. Armii Krajowej 11, 30-150 Kraków", "+48125550160"),
        _facility("wrzeszcz", "Zdrovia Wrzeszcz", "al. Grunwaldzka 103A, 80-244 Gdańsk", "+48585550170"),
        _facility(
            "przymorze", "Medyk Przymorze", "ul. Kołobrzeska 30, 80-394 Gdańsk", "+48585550180", partner=True
        ),
    )
)
