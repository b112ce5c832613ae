"""Guesses the code page of tables and of names in zips, from how likely the decoded text is in each code page.

Names are short, so each letter counts: how frequent it is in the languages of the code page, whether it is next to a
letter of another script, and whether it is a capital after a lowercase letter. The score of a code page is the sum of
the log-likelihoods; the highest score wins.
"""

import re
import unicodedata
from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass
from typing import Final

MAX_NAMES: Final = 2_000
"""The maximum number of distinct names to score; more names are not needed for a good guess."""

RARE_PAGE: Final = -3.0
SYMBOL: Final = -11.0
RARE_LETTER: Final = -9.0
RARE_SIGN: Final = -14.0
ASCII_WORD: Final = -3.3
ASCII_SYMBOL: Final = -7.0
CAPITAL_WITHIN: Final = -3.0
OTHER_SCRIPT: Final = -4.0
ACCENTS_TOGETHER: Final = -2.0

HANZI: Final = frozenset(
    "的一是不了人我在有他这中大来上国个到说们为子和你地出道也时年得就那要下以生会自着去之过家学对可她里后小么心多天而能好都然没日于"
    "起还发成事只作当想看文无开手十用主行方又如前所本见经头面公同三已老从动两长知民样现分将外但身些与高意进把法此实回二理美点月明"
    "其种声全工己话儿者向情部正名定女问力机给等几很业最间新什打便位因重被走电四第门相次东政海口使教西再平真听世气信北少关并内加"
    "化由却代军产入先山五太水万市红黄绿蓝白黑花草树木果苹香蕉橙梨桃葡萄瓜菜猫狗鸟鱼马牛羊猪鸡鸭虎兔车船飞机房鞋衣帽图片照测试训练数据类"
)
HANGUL: Final = frozenset(
    "이다는의가을에한고를지도하로기사은인리시자해서정어대아나그부수제일전상보스구만과주라동장안들여것공조소성원신경학유국모우위세진비무"
    "연마물물선면관실방교생중요계발오있트표분산화당회체문미치민력식간양거강개명금선차토파포바드래너때용영내외피새꽃고양이강아지사진빨간"
)
HANZI_TRADITIONAL: Final = HANZI | frozenset(
    "這來國個說們為時學對後麼沒於還發當開經頭從動兩長樣現將與進實點種聲話兒問業間電門東見關氣機數據類圖貓鳥魚馬雞鴨車飛蘋紅黃綠藍樹"
)


def detect_code_page(
    names: Iterable[bytes], file_names: Set[str] = frozenset(), *, is_windows: bool = False
) -> str | None:
    """Guesses the code page of names: the one in which the most names match files; if tied, the most likely one.

    Args:
        names: bytes that are neither ASCII nor UTF-8.
        file_names: the names of existing files that `names` may refer to, in Unicode normalization form C.
        is_windows: whether to exclude the DOS code pages, which only zip programs use.

    Returns:
        Python's name of the encoding; None if the bytes cannot be decoded in any of the code pages.
    """
    samples = list(dict.fromkeys(names))[:MAX_NAMES]
    scores: dict[str, tuple[int, float]] = {}
    for page in PAGES:
        if is_windows and page.encoding in DOS_PAGES:
            continue
        try:
            texts = [name.decode(page.encoding) for name in samples]
        except UnicodeDecodeError:
            continue
        num_files = sum(not file_names.isdisjoint(re.split(r"[/\\]", text)) for text in texts) if file_names else 0
        scores[page.encoding] = num_files, page.prior + sum(_score(text, page) for text in texts)
    return max(scores, key=lambda encoding: scores[encoding], default=None)


@dataclass(frozen=True)
class _Page:
    """A code page.

    Attributes:
        encoding: Python's name of the encoding.
        score: returns the log-frequency of a non-ASCII character.
        prior: the log-frequency of the code page.
    """

    encoding: str
    score: Callable[[str, str], float]
    prior: float = 0.0


def _score(text: str, page: _Page) -> float:
    total, before = 0.0, " "
    for char in text:
        if char.isascii():
            total += ASCII_WORD if char.isalnum() or char in " ._-/()" else ASCII_SYMBOL
        else:
            total += page.score(char, page.encoding)
        total += _score_pair(before, char)
        before = char
    return total


def _score_pair(before: str, char: str) -> float:
    if not (before.isalpha() and char.isalpha()) or (before.isascii() and char.isascii()):
        return 0.0
    if _is_ideographic(before) or _is_ideographic(char):
        return 0.0 if _is_ideographic(before) and _is_ideographic(char) else OTHER_SCRIPT / 4
    total = CAPITAL_WITHIN if before.islower() and char.isupper() else 0.0
    if _is_latin(before) != _is_latin(char):
        return total + OTHER_SCRIPT
    return total + (ACCENTS_TOGETHER if _is_latin(char) and not (before.isascii() or char.isascii()) else 0.0)


def _is_latin(char: str) -> bool:
    return ord(char) < 0x250


def _is_ideographic(char: str) -> bool:
    return ord(char) >= 0x2E80


def _alphabet(frequent: str, others: str) -> Callable[[str, str], float]:
    """Makes the score function of a non-Latin alphabet; ten letters make up two thirds of typical text.

    Args:
        frequent: the ten most frequent letters.
        others: the other letters, the most frequent first.
    """
    rare_letters = others[len(others) // 2 :]
    letters = dict.fromkeys(others, -4.2) | dict.fromkeys(rare_letters, -5.2) | dict.fromkeys(frequent, -2.7)

    def score(char: str, _: str) -> float:
        if char in letters:
            return letters[char]
        if char.lower() in letters:
            return letters[char.lower()] - 1.2
        return RARE_LETTER if char.isalpha() or unicodedata.category(char) == "Mn" else SYMBOL

    return score


def _accents(letters: str) -> Callable[[str, str], float]:
    """Makes the score function of a Latin alphabet with these accented letters."""

    def score(char: str, _: str) -> float:
        if char.lower() in letters:
            return -3.9 if char.islower() else -5.4
        return RARE_LETTER if char.isalpha() else SYMBOL

    return score


def _han(common: frozenset[str], first_level: tuple[int, int], likelihood: float) -> Callable[[str, str], float]:
    """Makes the score function of Chinese or Korean: half of a text is common characters, half other first-level ones.

    Args:
        common: the common characters.
        first_level: the first and the last lead byte of the characters that the standard classifies as frequent.
        likelihood: the log-frequency of a first-level character.
    """

    def score(char: str, encoding: str) -> float:
        if char in common:
            return -5.8
        lead, *trail = char.encode(encoding, "replace")
        is_usual = bool(trail) and first_level[0] <= lead <= first_level[1] and (encoding == "big5" or trail[0] >= 0xA1)
        return likelihood if is_usual else RARE_SIGN

    return score


def _japanese(char: str, encoding: str) -> float:
    if "\u3041" <= char <= "\u30fc":
        return -4.5
    lead, *trail = char.encode(encoding, "replace")
    return RARE_LETTER if not trail else -8.4 if 0x88 <= lead <= 0x97 else RARE_SIGN


_WEST: Final = _accents("äöüßéèêëàâáãåæçñóòôõøíìîïúùû")
_CENTER: Final = _accents("ąćęłńóśźżčďěňřšťůžáéíýúőűöüäâîășțşţ")
_TURKISH: Final = _accents("çğıöşüâîİ")
_BALTIC: Final = _accents("āčēģīķļņšūžąęėįųõäöü")
_CYRILLIC: Final = _alphabet("оеаинтсрвл", "кмдпуяыьгзбчйхжшюцщэфъёіїєґ")
_GREEK: Final = _alphabet("αοιετσνηυρ", "πκμλςωάίόέήύδγχθφβξζψώ")
_HEBREW: Final = _alphabet("יוהלאתרמבש", "נםדחקפעכגטזסצןךףץ")
_ARABIC: Final = _alphabet("اليمنوترهس", "بدعفقكحجشطصخزثذضظغةىءآأؤإئپچژگ")
_THAI: Final = _alphabet("านรอกเงยมล", "ดทตสวปคบแหพชขไะิีุู่้ัำ็์ใโจถผซฟศธณษภญฝฉฐฎฏฒฑฆฬฮึื๊๋")

PAGES: Final = (
    *(_Page(encoding, _WEST) for encoding in ("cp850", "cp1252", "cp437")),
    *(_Page(encoding, _CENTER) for encoding in ("cp852", "cp1250")),
    *(_Page(encoding, _TURKISH, RARE_PAGE) for encoding in ("cp857", "cp1254")),
    *(_Page(encoding, _BALTIC, RARE_PAGE) for encoding in ("cp775", "cp1257")),
    *(_Page(encoding, _CYRILLIC) for encoding in ("cp866", "cp1251")),
    *(_Page(encoding, _GREEK, RARE_PAGE) for encoding in ("cp737", "cp1253")),
    *(_Page(encoding, _HEBREW, RARE_PAGE) for encoding in ("cp862", "cp1255")),
    *(_Page(encoding, _ARABIC, RARE_PAGE) for encoding in ("cp720", "cp1256")),
    _Page("cp874", _THAI, RARE_PAGE),
    _Page("cp932", _japanese),
    _Page("gbk", _han(HANZI, (0xB0, 0xD7), -8.9)),
    _Page("big5", _han(HANZI_TRADITIONAL, (0xA4, 0xC6), -9.2)),
    _Page("cp949", _han(HANGUL, (0xB0, 0xC8), -10.3)),
)
"""If two code pages are equally likely, the earlier one wins. DOS pages precede the Windows pages of the same alphabet,
because Windows Explorer uses them in zips."""
DOS_PAGES: Final = frozenset(
    ("cp850", "cp437", "cp852", "cp857", "cp775", "cp866", "cp737", "cp862", "cp720"),
)
