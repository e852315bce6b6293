"""Language codes of stock tokenizers as BCP-47.

- NLLB-200 writes ISO 639-3 and a script: `yor_Latn` is `yo`. The shortest code of a language is
  taken, that of a macrolanguage included (`arb` is `ar`, `swh` is `sw`). A script is told where a
  language comes in several, but not its usual one: `zho_Hans` is `zh`, `zho_Hant` is `zh-Hant`.
- M2M100 writes ISO 639-1 with one exception: `__ns__` is `nso`.
- mBART-50 writes language and country: `de_DE` is `de`. No language comes twice.
- opus-mt writes any of these between angles: `>>yor<<`, `>>zho_Hant<<`, `>>pt_BR<<` (`pt-BR`).
"""

from __future__ import annotations

from collections.abc import Iterable

# ISO 639-3 of languages that have a code of two letters, by themselves or as a macrolanguage's
# usual member.
_TABLE = """
afr:af aka:ak als:sq amh:am arb:ar ara:ar asm:as ayr:ay aym:ay azj:az aze:az bak:ba bam:bm bel:be
ben:bn bod:bo bos:bs bre:br bul:bg cat:ca ces:cs chv:cv cmn:zh cor:kw cos:co cym:cy dan:da deu:de
div:dv dzo:dz ekk:et ell:el eng:en epo:eo est:et eus:eu ewe:ee fao:fo fas:fa fij:fj fin:fi fra:fr
fry:fy fuv:ff ful:ff gaz:om gla:gd gle:ga glg:gl grn:gn guj:gu hat:ht hau:ha heb:he hin:hi hrv:hr
hun:hu hye:hy ibo:ig ido:io ind:id isl:is ita:it jav:jv jpn:ja kal:kl kan:kn kas:ks kat:ka kaz:kk
khk:mn khm:km kik:ki kin:rw kir:ky kmr:ku knc:kr kon:kg kor:ko kur:ku lao:lo lat:la lav:lv lim:li
lin:ln lit:lt ltz:lb lug:lg lvs:lv mal:ml mar:mr mkd:mk mlg:mg mlt:mt mon:mn mri:mi msa:ms mya:my
nav:nv nep:ne nld:nl nno:nn nob:nb nor:no npi:ne nya:ny oci:oc ori:or orm:om ory:or pan:pa pbt:ps
pes:fa plt:mg pol:pl por:pt pus:ps que:qu quy:qu roh:rm ron:ro run:rn rus:ru sag:sg san:sa sin:si
slk:sk slv:sl sme:se smo:sm sna:sn snd:sd som:so sot:st spa:es sqi:sq srd:sc srp:sr ssw:ss sun:su
swa:sw swe:sv swh:sw tah:ty tam:ta tat:tt tel:te tgk:tg tgl:tl tha:th tir:ti ton:to tsn:tn tso:ts
tuk:tk tur:tr twi:tw uig:ug ukr:uk urd:ur uzb:uz uzn:uz ven:ve vie:vi wln:wa wol:wo xho:xh ydd:yi
yid:yi yor:yo zho:zh zsm:ms zul:zu
"""
_SHORT = dict(pair.split(":") for pair in _TABLE.split())
# The usual script of languages that a tokenizer may have in several.
_USUAL_SCRIPT = {
    "ace": "Latn",
    "bjn": "Latn",
    "kr": "Latn",
    "ks": "Arab",
    "sr": "Cyrl",
    "taq": "Latn",
    "zh": "Hans",
}
_OTHER = {"ns": "nso"}  # M2M100's code of Northern Sotho


def by_language(codes: Iterable[str]) -> dict[str, str]:
    """The codes of a tokenizer, each by its language in BCP-47.

    Where two codes come to one language, the first has it and the other is left out.
    """
    parts = [_parts(code) for code in codes]
    several = {
        language
        for language, script, _, _ in parts
        if len({other[1] for other in parts if other[0] == language and other[1]}) > 1
    }
    found: dict[str, str] = {}
    for language, script, region, code in parts:
        told = script if language in several and script != _USUAL_SCRIPT.get(language) else ""
        found.setdefault("-".join(filter(None, (language, told, region))), code)
    return found


def is_language(code: str) -> bool:
    """Whether a code names one language, not a group (`ROMANCE`, `mul`)."""
    return code in _SHORT.values() or code in _SHORT


def _parts(code: str) -> tuple[str, str, str, str]:
    """Language, script, region and the code itself."""
    bare = code.removeprefix(">>").removesuffix("<<").strip("_")
    language, *rest = bare.replace("-", "_").split("_")
    script = next((part for part in rest if len(part) == 4), "")
    region = next((part for part in rest if len(part) == 2 and code.startswith(">>")), "")
    language = _OTHER.get(language, _SHORT.get(language, language))
    return language, script, region, code
