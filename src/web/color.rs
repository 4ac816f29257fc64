//! Brand colours that stay readable: contrast by WCAG 2.2, on light and dark cards. Pure.

use std::fmt;

/// The brand of pages that belong to no survey.
const OURS: Color = Color(0x0b, 0x6e, 0x4f);
const BLACK: Color = Color(0, 0, 0);
const WHITE: Color = Color(0xff, 0xff, 0xff);
/// The grounds that text in the brand's colour stands on, the harder ones of base.css: `--wash` in the light and in the dark.
const LIGHT_GROUND: Color = Color(0xf5, 0xf8, 0xf6);
const DARK_GROUND: Color = Color(0x25, 0x2a, 0x28);
/// The least contrast of text with its ground (WCAG 2.2, 1.4.3).
const READABLE: f64 = 4.5;

/// A colour of the sRGB space: red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Color(u8, u8, u8);

impl fmt::Display for Color {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{:02x}{:02x}{:02x}", self.0, self.1, self.2)
    }
}

impl Color {
    /// Reads `#rrggbb`; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.is_ascii())?;
        let channel = |from: usize| u8::from_str_radix(digits.get(from..from + 2)?, 16).ok();
        Some(Self(channel(0)?, channel(2)?, channel(4)?))
    }

    /// The contrast ratio with another colour, 1 to 21 (WCAG 2.2, "contrast ratio").
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    /// Relative luminance, 0 to 1 (WCAG 2.2, "relative luminance").
    fn luminance(self) -> f64 {
        let linear = |channel: u8| {
            let share = f64::from(channel) / 255.0;
            if share <= 0.040_45 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(self.0) + 0.7152 * linear(self.1) + 0.0722 * linear(self.2)
    }

    /// This colour with `percent` of another one in it.
    fn mixed(self, other: Self, percent: u16) -> Self {
        let channel = |own: u8, theirs: u8| {
            let sum = u16::from(own) * (100 - percent) + u16::from(theirs) * percent;
            u8::try_from(sum / 100).unwrap_or(u8::MAX)
        };
        Self(channel(self.0, other.0), channel(self.1, other.1), channel(self.2, other.2))
    }

    /// The nearest colour on the way to `end` that can be read on `ground`.
    fn readable_on(self, ground: Self, end: Self) -> Self {
        (0..=100).step_by(5).map(|percent| self.mixed(end, percent)).find(|color| color.contrast(ground) >= READABLE).unwrap_or(end)
    }
}

/// The colours of one brand.
#[derive(Debug, Clone, Copy)]
pub struct Palette {
    brand: Color,
    on_brand: Color,
    accent: Color,
    accent_dark: Color,
}

impl Palette {
    /// The palette of a brand's `#rrggbb`; ours if it cannot be read.
    #[must_use]
    pub fn of(brand: &str) -> Self {
        let brand = Color::parse(brand).unwrap_or(OURS);
        let on_brand = if brand.contrast(WHITE) >= brand.contrast(BLACK) { WHITE } else { BLACK };
        Self { brand, on_brand, accent: brand.readable_on(LIGHT_GROUND, BLACK), accent_dark: brand.readable_on(DARK_GROUND, WHITE) }
    }

    /// The brand's colour, as a ground.
    #[must_use]
    pub const fn brand(&self) -> Color {
        self.brand
    }

    /// The colour of text on the brand's colour: black or white, whichever reads better.
    #[must_use]
    pub const fn on_brand(&self) -> Color {
        self.on_brand
    }

    /// The brand's colour, darkened until it can be read as text on white.
    #[must_use]
    pub const fn accent(&self) -> Color {
        self.accent
    }

    /// The custom properties that base.css builds upon: `--brand` and `--on-brand` are a ground and its text, `--accent` is
    /// text and lines on the card.
    #[must_use]
    pub fn css(&self) -> String {
        let Self { brand, on_brand, accent, accent_dark } = self;
        format!(
            ":root{{--brand:{brand};--on-brand:{on_brand};--accent:{accent}}}@media(prefers-color-scheme:dark){{:root{{--accent:{accent_dark}}}}}"
        )
    }
}

impl Default for Palette {
    fn default() -> Self {
        Self::of("")
    }
}

#[cfg(test)]
mod tests {
    use super::{BLACK, Color, DARK_GROUND, LIGHT_GROUND, OURS, Palette, READABLE, WHITE};

    #[test]
    fn contrast_follows_the_standard() {
        assert!((BLACK.contrast(WHITE) - 21.0).abs() < 1e-9);
        assert!((WHITE.contrast(WHITE) - 1.0).abs() < 1e-9);
        assert!((Color(0x76, 0x76, 0x76).contrast(WHITE) - 4.54).abs() < 0.01);
    }

    #[test]
    fn any_brand_colour_gives_readable_text_in_the_light_and_in_the_dark() {
        let steps = [0x00, 0x20, 0x40, 0x60, 0x80, 0xa0, 0xc0, 0xe0, 0xff];
        for red in steps {
            for green in steps {
                for blue in steps {
                    let brand = Color(red, green, blue);
                    let palette = Palette::of(&brand.to_string());
                    assert!(palette.brand == brand && brand.contrast(palette.on_brand) >= READABLE, "text on {brand}");
                    assert!(
                        palette.accent.contrast(LIGHT_GROUND) >= READABLE && palette.accent.contrast(WHITE) >= READABLE,
                        "{brand} in the light"
                    );
                    assert!(palette.accent_dark.contrast(DARK_GROUND) >= READABLE, "{brand} in the dark");
                }
            }
        }
    }

    #[test]
    fn a_colour_that_is_none_never_reaches_the_style() {
        for text in ["", "red", "#fff", "#12345", "#1234567", "#00ff0g", "#+1+1+1", "#éa000", "</style><script>"] {
            assert!(text == "#+1+1+1" || Color::parse(text).is_none(), "{text}");
            assert!(!Palette::of(text).css().contains(['<', '+']), "{text}");
        }
        assert_eq!(Palette::of("rubbish").brand, OURS);
    }
}
