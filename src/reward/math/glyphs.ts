/** Unicode mathematics as LaTeX, so that everything after this reads one notation. */

const PAIRS = String.raw`
× \times  · \cdot  ⋅ \cdot  ∙ \cdot  • \cdot  ∗ *  ÷ /  ∕ /  ⁄ /  − -  – -  — -  ‐ -  ‑ -  ± \pm  ∓ \mp
≤ \le  ≦ \le  ⩽ \le  ≥ \ge  ≧ \ge  ⩾ \ge  ≠ \ne  ≈ \approx  ≃ \approx  ≅ \cong  ≡ \equiv  ∼ \sim
∞ \infty  ∅ \emptyset  ∪ \cup  ⋃ \cup  ∩ \cap  ∈ \in  ∉ \notin  ⊂ \subset  ⊆ \subseteq  ∖ \setminus
ℝ \mathbb{R}  ℤ \mathbb{Z}  ℕ \mathbb{N}  ℚ \mathbb{Q}  ℂ \mathbb{C}
√ \sqrt  ∛ \cbrt  ∑ \sum  ∏ \prod  ∫ \int  ∂ \partial  ∇ \nabla  ∠ \angle  △ \triangle  ⊥ \perp  ∥ \parallel
→ \to  ⇒ \Rightarrow  ∧ \land  ∨ \lor  ¬ \neg  ⟨ \langle  ⟩ \rangle  〈 \langle  〉 \rangle
⌊ \lfloor  ⌋ \rfloor  ⌈ \lceil  ⌉ \rceil  … \ldots  ⋯ \cdots  ∣ |  ‖ \|  ′ '  ″ ''  ’ '  ‘ '  “ "  ” "  ℓ \ell  ħ \hbar
° ^{\circ}  º ^{\circ}  ∘ \circ  € \euro  £ \pounds  ∶ :  ： :  ， ,  （ (  ） )  ＝ =  ＋ +  ＜ <  ＞ >  ％ \%
α \alpha  β \beta  γ \gamma  δ \delta  ε \epsilon  ϵ \epsilon  ζ \zeta  η \eta  θ \theta  ι \iota  κ \kappa  λ \lambda
μ \mu  µ \mu  ν \nu  ξ \xi  π \pi  ρ \rho  σ \sigma  τ \tau  υ \upsilon  φ \phi  ϕ \phi  χ \chi  ψ \psi  ω \omega
Γ \Gamma  Δ \Delta  Θ \Theta  Λ \Lambda  Ξ \Xi  Π \Pi  Σ \Sigma  Φ \Phi  Ψ \Psi  Ω \Omega
½ 1/2  ⅓ 1/3  ⅔ 2/3  ¼ 1/4  ¾ 3/4  ⅕ 1/5  ⅖ 2/5  ⅗ 3/5  ⅘ 4/5  ⅙ 1/6  ⅚ 5/6  ⅐ 1/7  ⅛ 1/8  ⅜ 3/8  ⅝ 5/8  ⅞ 7/8  ⅑ 1/9  ⅒ 1/10
`;
const LATEX: ReadonlyMap<string, string> = new Map(
  PAIRS.trim()
    .split(/\s{2,}|\n/)
    .map((pair) => pair.split(' ') as [string, string]),
);
const ANY_GLYPH = new RegExp(`[${[...LATEX.keys()].join('')}]`, 'gu');

const RAISED = '⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿˣᵏ';
const RAISED_ASCII = '0123456789+-=()nxk';
const LOWERED = '₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₙₓₖ';
const RAISED_RUN = new RegExp(`[${RAISED}]+`, 'gu');
const LOWERED_RUN = new RegExp(`[${LOWERED}]+`, 'gu');

/** Mathematical signs, Greek letters, raised and lowered digits and vulgar fractions become LaTeX. */
export function glyphsToLatex(text: string): string {
  return text
    .replace(RAISED_RUN, (run) => `^{${ascii(run, RAISED)}}`)
    .replace(LOWERED_RUN, (run) => `_{${ascii(run, LOWERED)}}`)
    .replace(ANY_GLYPH, (glyph) => {
      const latex = LATEX.get(glyph) ?? glyph;
      if (/^\d/.test(latex)) {
        const [numerator, denominator] = latex.split('/');
        return `\\frac{${numerator}}{${denominator}}`;
      }
      // A command must not join the letter that follows it.
      return /[a-zA-Z]$/.test(latex) ? `${latex} ` : latex;
    });
}

function ascii(run: string, alphabet: string): string {
  return Array.from(run, (glyph) => RAISED_ASCII[alphabet.indexOf(glyph)]).join('');
}
