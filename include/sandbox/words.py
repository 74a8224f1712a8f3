"""Words that invented people, places and notes are made of."""

from dataclasses import dataclass


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


#: First name -> what else the same person is called in other systems.
FIRST_NAMES: dict[str, tuple[str, ...]] = {
    "Robert": ("Bob", "Rob", "Bobby"),
    "William": ("Bill", "Will", "Billy"),
    "Elizabeth": ("Liz", "Beth", "Betty"),
    "Katherine": ("Kathy", "Kate", "Katie"),
    "Margaret": ("Peggy", "Maggie", "Meg"),
    "Richard": ("Rick", "Dick", "Rich"),
    "James": ("Jim", "Jimmy"),
    "Michael": ("Mike", "Mick"),
    "Christopher": ("Chris", "Topher"),
    "Patricia": ("Pat", "Patty", "Trish"),
    "Jennifer": ("Jen", "Jenny"),
    "Anthony": ("Tony",),
    "Deborah": ("Deb", "Debbie"),
    "Theodore": ("Ted", "Theo"),
    "Alexandra": ("Alex", "Sandra", "Lexi"),
    "Samuel": ("Sam",),
    "Susan": ("Sue", "Suzie"),
    "Edward": ("Ed", "Eddie", "Ted"),
    "Jacqueline": ("Jackie",),
    "Gregory": ("Greg",),
    "José": ("Jose", "Pepe"),
    "Zoë": ("Zoe",),
    "Siobhán": ("Siobhan", "Shiv"),
    "Mary Ann": ("Maryann", "Mary-Ann"),
    "Nicholas": ("Nick", "Nicky"),
    "Victoria": ("Vicky", "Tori"),
    "Benjamin": ("Ben",),
    "Rebecca": ("Becky",),
    "Lawrence": ("Larry",),
    "Angela": ("Angie",),
    "Denise": (),
    "Kevin": (),
    "Monique": (),
    "Darnell": (),
    "Priya": (),
    "Ming": (),
    "Oleksandr": ("Alex", "Sasha"),
    "Fatima": (),
    "Walter": ("Walt",),
    "Gloria": (),
}

#: Beginnings and endings that make up invented family names.
SURNAME_HEADS: tuple[str, ...] = _split(
    "Ash Birk Brom Calder Dray Ellers Fen Gar Hals Hol Ives Jor Kel Lang Mar Nor "
    "Oak Pem Quen Ros Sedge Thorn Ul Val Wex Yar Zel"
)
SURNAME_TAILS: tuple[str, ...] = _split(
    "beck berg bury combe dale den field ford gate ham hurst ley man mere more "
    "quist ridge sen shaw stead ston vik ward well wick worth"
)
#: Family names whose writing trips naive software.
RARE_SURNAMES: tuple[str, ...] = (
    "O'Thornley", "Nuñez-Calder", "van der Holbeck", "St. Oakley", "Müllerston",
    "Null", "D'Elmere", "Łangwick",
)  # fmt: skip

STREETS: tuple[str, ...] = _split(
    "Larkmere Thistledown Copperfen Quarrybend Willowgate Hollowbrook Emberly "
    "Sparrowhill Foxglen Millrace Juniper-Knoll Cedarwick Bramblecourt Stonewharf "
    "Harrowgate Maplecross Otterbank Pinefold Ravensreach Saltmarsh Tanglewood-Run "
    "Umberfield Vinewater Westering"
)
#: Kind of street -> ways to shorten it.
STREET_KINDS: dict[str, tuple[str, ...]] = {
    "Street": ("St", "St.", "STREET"),
    "Avenue": ("Ave", "Ave."),
    "Road": ("Rd", "Rd."),
    "Drive": ("Dr", "Dr."),
    "Lane": ("Ln", "LN"),
    "Court": ("Ct",),
    "Boulevard": ("Blvd",),
    "Way": ("Wy",),
}


@dataclass(frozen=True, slots=True)
class Place:
    """A town where people live: real, so that zips and area codes fit together."""

    city: str
    state: str
    zip_prefix: str
    area_code: str
    timezone: str


def _place(line: str) -> Place:
    city, state, zip_prefix, area_code, timezone = line.split("|")
    return Place(city, state, zip_prefix, area_code, f"America/{timezone}")


PLACES: tuple[Place, ...] = tuple(
    _place(line)
    for line in (
        "Columbus|OH|432|614|New_York",
        "Cincinnati|OH|452|513|New_York",
        "Cleveland|OH|441|216|New_York",
        "Pittsburgh|PA|152|412|New_York",
        "Harrisburg|PA|171|717|New_York",
        "Denver|CO|802|303|Denver",
        "Colorado Springs|CO|809|719|Denver",
        "Phoenix|AZ|850|602|Phoenix",
        "Charlotte|NC|282|704|New_York",
        "Raleigh|NC|276|919|New_York",
        "Austin|TX|787|512|Chicago",
        "Dallas|TX|752|214|Chicago",
        "Atlanta|GA|303|404|New_York",
        "Indianapolis|IN|462|317|Indiana/Indianapolis",
        "Nashville|TN|372|615|Chicago",
        "St. Louis|MO|631|314|Chicago",
        "Kansas City|MO|641|816|Chicago",
        "Minneapolis|MN|554|612|Chicago",
        "Milwaukee|WI|532|414|Chicago",
        "Portland|OR|972|503|Los_Angeles",
        "Richmond|VA|232|804|New_York",
        "Rochester|NY|146|585|New_York",
        "Hartford|CT|061|860|New_York",
        "Portland|ME|041|207|New_York",
    )
)

MAIL_DOMAINS: tuple[str, ...] = (
    "example.com", "example.org", "example.net", "mail.example.com",
    "home.example.net",
)  # fmt: skip
PRODUCTS: tuple[str, ...] = (
    "vinyl windows", "bay window", "roof replacement", "gutters", "siding",
    "entry door", "patio door", "bath conversion", "walk-in shower", "deck",
    "kitchen refacing", "attic insulation",
)  # fmt: skip
REMARKS: tuple[str, ...] = (
    "both owners will be present", "call ahead, gate code needed",
    "second estimate, wants financing", "hail damage, insurance involved",
    "dog in the yard", "rental property, owner lives elsewhere",
    'asked for the "spring special"', "prefers e-mail over phone",
    "historic district, needs approval", "measure again; first visit was rained out",
)  # fmt: skip
CHANNELS: tuple[str, ...] = (
    "Website", "Referral", "Home Show", "Door Hanger", "Radio", "Television",
    "Direct Mail", "Canvassing", "Social Media", "Search Ads", "Billboard",
    "Yard Sign", "Trade Partner", "Repeat Customer", "Call-In", "Newspaper",
    "Showroom", "Live Chat", "Lead Exchange", "Community Event",
)  # fmt: skip
