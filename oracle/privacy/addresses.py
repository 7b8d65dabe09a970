"""Postal addresses, English and Chinese: str -> (start, end).

English: a number, capitalised words and a word for a street (USPS Publication 28, appendix C1), or what stands before a state with
its ZIP code, a PO box, a military address, a British postcode. Chinese: province, city, district, street, number, building; two of
them at least, one below the city. What no pattern knows is not found: docs/privacy.md says how much that is.
"""

import re
from collections.abc import Iterator

_STREETS = (
    "Alley|Annex|Anex|Arcade|Avenue|Ave|Bayou|Beach|Bend|Bluffs?|Bottom|Boulevard|Blvd|Branch|Bridge|Brooks?|Burgs?|Bypass|Camp|Canyon|Cape"
    "|Causeway|Centers?|Centre|Circles?|Cliffs?|Close|Club|Common|Corners?|Course|Courts?|Coves?|Creek|Crescent|Crest|Crossing|Crossroad|Curve"
    "|Dale|Dam|Divide|Drives?|Dr|Estates?|Expressway|Extensions?|Falls?|Ferry|Fields?|Flats?|Fords?|Forest|Forges?|Forks?|Fort|Freeway|Gardens?"
    "|Gateway|Glens?|Greens?|Groves?|Harbors?|Haven|Heights|Highway|Hwy|Hills?|Hollow|Inlet|Islands?|Isle|Junctions?|Keys?|Knolls?|Lakes?|Land"
    "|Landing|Lane|Ln|Lights?|Loaf|Locks?|Lodge|Loop|Mall|Manors?|Meadows?|Mews|Mills?|Mission|Motorway|Mount|Mountains?|Neck|Orchard|Oval"
    "|Overpass|Parks?|Parkways?|Pkwy|Pass|Passage|Path|Pike|Pines?|Place|Pl|Plains?|Plaza|Points?|Ports?|Prairie|Radial|Ramp|Ranch|Rapids?|Rest"
    "|Ridges?|River|Roads?|Rd|Route|Row|Rue|Run|Shoals?|Shores?|Skyway|Springs?|Spurs?|Squares?|Sq|Station|Stravenue|Stream|Streets?|St|Summit"
    "|Terrace|Throughway|Trace|Track|Trafficway|Trail|Tunnel|Turnpike|Underpass|Unions?|Valleys?|Viaduct|Views?|Villages?|Ville|Vista|Walks?|Wall"
    "|Ways?|Wells?"
)
_STATES = "A[AEKLPRSZ]|C[AOT]|D[CE]|F[LM]|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|P[ARW]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]"
_CAP = r"[A-ZÀ-Þ][\w'’.-]*"
_GAP = r"(?:,? ?\n|,? )"
_UNIT = rf"(?:{_GAP}(?:Apt|Apartment|Suite|Ste|Unit|Flat|Room|Floor|Fl|Bldg|Studio|#)\.? ?#?\w{{1,6}})"
_CITY = rf"(?:{_CAP}(?: {_CAP}){{0,3}}{_GAP}(?:{_STATES}),? \d{{5}}(?:-\d{{4}})?)"
_POSTCODE = r"[A-Z]{1,2}\d[A-Z\d]? ?\d[ABD-HJLNP-UW-Z]{2}"
_TOWN = rf"(?:{_GAP}{_CAP}(?: {_CAP}){{0,2}}){{0,3}}"
_ROAD = rf"(?:\d{{1,6}}[A-Za-z]?(?:[-/]\d{{1,5}})? (?:[NSEW]\.? )?(?:(?:{_CAP}|\d{{1,3}}(?:st|nd|rd|th)|of|the) ){{1,4}}(?:{_STREETS})\b\.?)"
_ENGLISH = tuple(
    re.compile(pattern)
    for pattern in (
        rf"(?<![\w.,-])(?:(?:Flat|Apt|Apartment|Unit|Suite|Studio) \w{{1,5}}{_GAP})?{_ROAD}{_UNIT}?(?:{_GAP}{_CITY}|{_TOWN}{_GAP}{_POSTCODE})?(?!\w)",
        rf"(?<![\w.,-])\d{{1,6}}[A-Za-z]? (?:{_CAP} ){{0,4}}{_CAP}{_UNIT}?{_GAP}{_CITY}(?!\w)",
        rf"(?<![\w.,-])(?:(?:Flat|Apt|Apartment|Unit|Suite|Studio) \w{{1,5}}{_GAP})?(?:\d{{1,5}}[A-Za-z]? )?{_CAP}(?: {_CAP}){{0,3}}{_TOWN}{_GAP}{_POSTCODE}(?!\w)",
        rf"(?<!\w)P\.? ?O\.? Box \d{{1,6}}(?:{_GAP}{_CITY})?",
        rf"(?<!\w)(?:Unit \d{{1,5}} Box \d{{1,5}}|PSC \d{{1,5}},? Box \d{{1,5}}|US(?:NS|NV|S|CGC) {_CAP}){_GAP}(?:[AFD]PO) A[AEP] \d{{5}}",
        rf"(?<!\w){_CAP}(?: {_CAP}){{0,2}}, (?:{_STATES}) \d{{5}}(?:-\d{{4}})?(?!\w)",
    )
)

_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖北|湖南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾"
    "|内蒙古|广西壮族|广西|西藏|宁夏回族|宁夏|新疆维吾尔|新疆|香港|澳门"
)
_P = r"(?:(?![在于到至是为的址住寄来从去往了及与]|[省市区县旗镇乡路街道巷弄号])[一-鿿]|[区镇街乡](?=[区县市路街]))"  # part of a place's name
_CHINESE = re.compile(
    rf"(?:(?:中国)?(?:{_PROVINCES})(?:省|市|自治区|特别行政区)?)?(?:{_P}{{1,6}}(?:市|自治州|地区|盟)){{0,2}}"
    rf"(?:{_P}{{1,6}}(?:区|县|旗|市)){{0,2}}(?:{_P}{{1,6}}(?:街道|镇|乡|村))?"
    rf"(?:{_P}{{1,8}}(?:大街|大道|胡同|路|街|道|巷|弄|里)(?:[东西南北中]?[一二三四五六七八九十\d]{{0,3}}段)?)?"
    r"(?:[\dA-Za-z]{1,5}(?:弄|巷))?(?:[\dA-Za-z-]{1,8}号(?:院|楼)?)?"
    rf"(?:{_P}{{2,10}}(?:小区|花园|公寓|大厦|家园|广场|苑|村|城|新村))?"
    r"(?:[\dA-Za-z甲乙丙丁一二三四五六七八九十]{1,4}(?:栋|幢|座|号楼|楼))?(?:[\dA-Za-z一二三四五六七八九十]{1,3}单元)?(?:[\dA-Za-z一二三四五六七八九十]{1,3}(?:楼|层))?"
    r"(?:[\dA-Za-z-]{1,6}(?:室|房|号))?(?:[ ,，]?(?:邮编[:：]? ?)?\d{6}(?!\d))?"
)
_REGION = re.compile(rf"(?:{_PROVINCES})|[一-鿿](?:省|市|区|县|州|旗)")
_BELOW = re.compile(
    r"(?:路|街|大道|道|巷|弄|里|胡同|镇|乡|村|街道)|[\dA-Za-z]号|小区|花园|公寓|大厦|家园|苑|\d(?:栋|幢|座|室)|[A-Za-z]座"
)
_NUMBER = re.compile(r"[\dA-Za-z](?:号|栋|幢|座|室|弄|单元)")
_BEGIN = re.compile(r"[一-鿿\dA-Za-z]")
_FIELD = re.compile(
    r"(?i)(?:home_?|street_?|postal_?|mailing_?|shipping_?|billing_?)?-?address|(?:家庭|联系|收货|通讯)?(?:地址|住址)"
)


def spans(text: str, field: str = "") -> Iterator[tuple[int, int]]:
    """Whole fields that are called address; then by pattern."""
    if (
        field
        and _FIELD.fullmatch(field)
        and re.search(r"\w{2}", text)
        and len(text) <= 300
        and not text.startswith("[")
    ):
        yield len(text) - len(text.lstrip()), len(text.rstrip())
        return
    for pattern in _ENGLISH if any(c.isdigit() for c in text) else ():
        yield from (match.span() for match in pattern.finditer(text))
    if not text.isascii() and _BELOW.search(text):
        yield from _chinese(text)


def _chinese(text: str) -> Iterator[tuple[int, int]]:
    at = 0
    while start := _BEGIN.search(text, at):
        match = _CHINESE.match(text, start.start())
        if match and match.end() - match.start() >= 5 and _is_address(match[0]):
            yield match.span()
            at = match.end()
        else:
            at = start.start() + 1


def _is_address(found: str) -> bool:
    """A region with something below it, or a street with a number."""
    region, below = _REGION.search(found), list(_BELOW.finditer(found))
    if region and any(m.start() >= region.end() - 1 for m in below) and (_NUMBER.search(found) or len(found) >= 8):
        return True
    return bool(re.search(r"(?:路|街|大道|道|巷|弄|胡同|村|镇)[\dA-Za-z-]{1,8}号", found))
