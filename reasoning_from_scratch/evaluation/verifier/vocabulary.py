"""The words, LaTeX commands and characters that the tokenizer knows.

What stands in no table is compared as text.
"""


def words(text):
    """The words of a text as a set."""
    return frozenset(text.split())


def pairs(text):
    """Entries "spelling=meaning" as a dictionary."""
    split = (entry.partition("=") for entry in text.split())
    return {spelling: meaning for spelling, _, meaning in split}


BALANCED = r"(?:[^{}\\]|\\.)*"  # a pattern: braces in braces, nine deep
for _ in range(8):
    BALANCED = rf"(?:[^{{}}\\]|\\.|\{{{BALANCED}\}})*"

# Layout without meaning: these commands vanish.
LAYOUT = words(
    """ , ; : ! > quad qquad thinspace left right big Big bigg Bigg bigl
    bigr Bigl Bigr biggl biggr displaystyle textstyle limits nolimits
    hline middle mleft mright scriptstyle enspace negthinspace
    space allowbreak normalsize large Large small tiny therefore because
    noindent blacksquare square Box qed qedhere checkmark hfill medspace
    thickspace smallskip medskip bigskip par centering nonumber notag
    mathstrut strut null mathop ensuremath smash underbrace"""
) | {" ", "\n", "\t", "/"}
# They vanish with the argument behind them.
LAYOUT_WITH_ARGUMENT = words(
    """label tag tag* color textcolor colorbox hspace hspace* vspace ref
    phantom hphantom vphantom"""
)
# Commands whose argument in braces is written in another face.
TEXT_COMMANDS = words(
    """text textbf textit textrm textsf texttt textnormal mbox hbox emph
    mathrm mathbf mathit mathsf mathtt operatorname operatorname* bf rm
    boldsymbol bm underline textup mathnormal textsc pmb"""
)
BOLD = words("mathbf boldsymbol bm bf pmb")
ACCENTS = words(
    """overline bar vec hat widehat tilde widetilde overrightarrow dot
    ddot underbar"""
)
MATRICES = words("matrix pmatrix bmatrix Bmatrix smallmatrix array vmatrix")
SYSTEMS = words(
    """cases dcases rcases aligned align align* gathered gather gather*
    split equation equation* alignedat eqnarray"""
)
FUNCTIONS = {
    name: name
    for name in words(
        """sin cos tan cot sec csc sinh cosh tanh coth sech csch arcsin
        arccos arctan arccot arcsec arccsc ln log exp max min gcd lcm floor
        arsinh arcosh artanh abs sign ceil det"""
    )
} | pairs(
    """asin=arcsin acos=arccos atan=arctan acot=arccot arctg=arctan tg=tan
    ctg=cot cosec=csc lg=log ceiling=ceil sgn=sign Re=real Im=imaginary
    arcsinh=arsinh asinh=arsinh arccosh=arcosh acosh=arcosh arctanh=artanh
    atanh=artanh"""
)
# Commands that are operators or atoms of the grammar.
OPERATORS = {
    name: name
    for name in words(
        """pm mp in notin cup cap setminus sqrt sum langle rangle lvert
        rvert lfloor rfloor lceil rceil mod pmod binom choose frac to % & _"""
    )
} | pairs(
    r"""cdot=* times=* ast=* bullet=* div=/ le=<= leq=<= leqslant=<= leqq=<=
    ge=>= geq=>= geqslant=>= geqq=>= lt=< gt=> ne=!= neq=!= approx=~
    approxeq=~ simeq=~ doteq=~ equiv== bigcup=cup bigcap=cap
    backslash=setminus smallsetminus=setminus lor=or vee=or land=and
    wedge=and dfrac=frac tfrac=frac cfrac=frac dbinom=binom tbinom=binom
    prod=product infty=infinity infin=infinity emptyset=empty
    varnothing=empty {=\{ lbrace=\{ }=\} rbrace=\} lbrack=[ rbrack=] lparen=(
    rparen=) vert=| mid=| |=|| Vert=|| lVert=|| rVert=|| \=newline cr=newline
    circ=degree degree=degree bmod=mod prime=' colon=: ldots=dots cdots=dots
    dots=dots dotsc=dots dotsb=dots rightarrow=to"""
)
# The same as words in plain text, and as signs.
WORDS = pairs(
    """and=and or=or sqrt=sqrt infinity=infinity Infinity=infinity
    infty=infinity inf=infinity oo=infinity union=cup U=cup percent=%
    pct=% percentage=% mod=mod choose=choose degrees=degree degree=degree
    deg=degree"""
)
SIGNS = {sign: sign for sign in "+-*/^_!()[]{}<>=|,;:&%'"} | {
    "**": "^", "==": "=", ":=": "=", "->": "to", "..": "dots", "...": "dots",
    "<=": "<=", ">=": ">=", "!=": "!=", "~=": "~",
}  # fmt: skip
GREEK = words(
    """alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu
    nu xi pi rho sigma tau upsilon phi chi psi omega Gamma Delta Theta
    Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar"""
)
SYMBOLS = {name: name for name in GREEK | words("triangle perp star")}
SYMBOLS |= {"var" + name: name for name in GREEK} | pairs(
    "imath=i jmath=j R=reals angle=angle measuredangle=angle parallel=parallel"
)
SETS = pairs("R=reals Z=integers N=naturals Q=rationals")
CURRENCIES = pairs(
    """$=dollar USD=dollar US$=dollar €=euro EUR=euro £=pound GBP=pound
    ¥=yen JPY=yen RMB=yuan CNY=yuan ₹=rupee Rs=rupee INR=rupee ₽=ruble
    RUB=ruble CHF=franc kr=krona SEK=krona NOK=krona DKK=krona ₩=won KRW=won
    CAD=dollar AUD=dollar"""
)
CHARACTERS = {
    "−": "-", "–": "-", "—": "-", "‐": "-", "‑": "-", "﹣": "-",
    "×": r"\times ", "✕": r"\times ", "÷": r"\div ", "·": r"\cdot ",
    "⋅": r"\cdot ", "∙": r"\cdot ", "∗": "*", "⁄": "/", "∕": "/",
    "±": r"\pm ", "∓": r"\mp ", "√": r"\sqrt ", "∛": r"\sqrt[3]",
    "∜": r"\sqrt[4]", "∞": r"\infty ", "°": r"^\circ ",
    "º": r"^\circ ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ",
    "⩾": r"\ge ", "≠": r"\ne ", "≈": r"\approx ", "≡": r"\equiv ",
    "∈": r"\in ", "∉": r"\notin ", "∪": r"\cup ", "∩": r"\cap ",
    "∖": r"\setminus ", "∅": r"\emptyset ", "∨": r"\lor ",
    "∧": r"\land ", "∠": r"\angle ", "△": r"\triangle ",
    "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
    "⟨": r"\langle ", "⟩": r"\rangle ", "〈": r"\langle ", "〉": r"\rangle ",
    "∑": r"\sum ", "∏": r"\prod ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}",
    "ℕ": r"\mathbb{N}", "ℚ": r"\mathbb{Q}", "′": "'", "’": "'", "‘": "'",
    "“": '"', "”": '"', "％": "%", "…": r"\ldots ", "⋯": r"\ldots ",
    "\u00a0": " ", "\u200b": "", "\ufeff": "", "\u2061": "",
    "ⁿ": "^{n}", "ϕ": r"\phi ", "→": r"\to ",
    "、": ",", "，": ",", "。": ".", "；": ";", "：": ":", "（": "(",
    "）": ")", "℃": r"^\circ C", "℉": r"^\circ F", "■": "", "□": "",
    "或": " or ",
    "和": " and ", "✓": "", "✔": "", "✅": "", "∎": "",
}  # fmt: skip
CHARACTERS |= {
    letter: f"\\{name} "
    for letter, name in pairs(
        """α=alpha β=beta γ=gamma δ=delta ε=epsilon ζ=zeta η=eta θ=theta
        ι=iota κ=kappa λ=lambda μ=mu ν=nu ξ=xi π=pi ρ=rho σ=sigma τ=tau
        υ=upsilon φ=phi χ=chi ψ=psi ω=omega Γ=Gamma Δ=Delta Θ=Theta
        Λ=Lambda Ξ=Xi Π=Pi Σ=Sigma Φ=Phi Ψ=Psi Ω=Omega"""
    ).items()
}

# Numbers in words
SMALL = pairs(
    """zero one two three four five six seven eight nine ten eleven twelve
    thirteen fourteen fifteen sixteen seventeen eighteen nineteen"""
)
TENS = pairs("twenty thirty forty fifty sixty seventy eighty ninety")
PARTS = pairs("third fourth fifth sixth seventh eighth ninth tenth")
NUMBER_WORDS = {word: number for number, word in enumerate(SMALL)}
NUMBER_WORDS |= {word: 10 * ten for ten, word in enumerate(TENS, start=2)}
SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6}
SCALES |= {"billion": 10**9, "trillion": 10**12}
FRACTION_WORDS = {"half": 2, "halve": 2, "quarter": 4}
FRACTION_WORDS |= {word: part for part, word in enumerate(PARTS, start=3)}

# Units: each row is one unit and its other spellings.
UNITS = """
    cm centimeter centimetre см 厘米 | mm millimeter millimetre мм 毫米
    km kilometer kilometre км 千米 公里 | dm decimeter decimetre
    m meter metre mtr м 米 | nm nanometer | in inch inches | ft foot feet
    yd yard | mi mile | kg kilogram кг 千克 公斤 | mg milligram мг
    g gm gram г 克 | lb | oz ounce | ton tonne 吨 | l liter litre л 升
    ml milliliter millilitre мл 毫升 | gal gallon | s sec second сек 秒
    min minute мин 分钟 | h hr hour ч час 小时 | day день дней 天 | week wk
    month 个月 | year yr лет год 年 岁 | dollar usd buck 美元 | cent ¢
    euro eur 欧元 | pound | rupee rs inr | ruble руб рублей 卢布
    yuan 元 | yen 円 日元 | won 원 | franc chf | krona kr | percent
    degree deg градусов 度 | celsius c | fahrenheit f | rad radian
    mi/h mph | km/h kmph kph kmh | hz hertz | j joule | n newton | w watt
    v volt | pa pascal | k kelvin | mol mole | psi | acre | hectare ha
    unit 个 人 只 本 种 次 名
"""
CANONICAL = {
    spelling: row.split()[0]
    for row in UNITS.replace("|", "\n").strip().split("\n")
    for spelling in row.split()
}
MODIFIERS = words("square sq cubic cu cubed squared per")
NAMES = {name for name in CANONICAL if len(name) > 1} | MODIFIERS
UNIT_WORDS = (NAMES | {name + "s" for name in NAMES if len(name) > 2}) | words(
    "lbs hrs yrs mins secs mL kW kWh Hz MHz kHz ways way th nd rd st"
)
POWERS = {"square": 2, "sq": 2, "squared": 2, "cubic": 3, "cu": 3, "cubed": 3}
# Words behind a number after which it is another number.
CHANGING = words(
    """squared cubed factorial dozen score half halves third thirds quarter
    quarters fourths fifths tenth tenths hundredths thousandths times plus
    minus over divided root less more fewer than to least most not except
    below above under negative positive nonnegative zero ago before after bc
    bce short debt deficit loss remainder multiple multiples power powers
    thousand million billion trillion hundred hundreds thousands millions
    billions modulo mod wrong incorrect false january february march april
    may june july august september october november december"""
)
