//! Whether a brand's colour can be read: contrast as WCAG 2.2 computes it.

use super::Brand;

/// What WCAG 2.2 demands of text (1.4.3).
const READABLE: f64 = 4.5;
const WHITE: &str = "#ffffff";
const BLACK: &str = "#000000";

impl Brand {
    /// The colour of text on the brand's colour: white or black, whichever reads better (at least 4.5:1).
    #[must_use]
    pub fn on_color(&self) -> &'static str {
        match luminance(&self.color) {
            Some(brand) if contrast(brand, 1.0) < READABLE => BLACK,
            _ => WHITE,
        }
    }

    /// The brand's colour where it can be read as text on white (4.5:1), otherwise `None`.
    #[must_use]
    pub fn on_white(&self) -> Option<&str> {
        let brand = luminance(&self.color)?;
        (contrast(brand, 1.0) >= READABLE).then_some(self.color.as_str())
    }

    /// The brand's colour if it is one, otherwise black: never anything that is not `#rrggbb`.
    #[must_use]
    pub fn fill(&self) -> &str {
        luminance(&self.color).map_or(BLACK, |_| self.color.as_str())
    }
}

/// The contrast ratio of two relative luminances, 1 to 21.
fn contrast(one: f64, other: f64) -> f64 {
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

/// The relative luminance of `#rrggbb`, 0 to 1.
fn luminance(color: &str) -> Option<f64> {
    let digits = color.strip_prefix('#').filter(|digits| digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
    let channel = |from: usize| u8::from_str_radix(digits.get(from..from + 2)?, 16).ok().map(linear);
    Some(0.2126 * channel(0)? + 0.7152 * channel(2)? + 0.0722 * channel(4)?)
}

fn linear(channel: u8) -> f64 {
    let share = f64::from(channel) / 255.0;
    if share <= 0.04045 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn brand(color: &str) -> Brand {
        Brand { color: color.to_owned(), logo_url: None }
    }

    #[test]
    fn a_light_brand_gets_black_text_and_is_no_text_itself() {
        assert_eq!((brand("#ffd400").on_color(), brand("#ffd400").on_white()), ("#000000", None));
        assert_eq!((brand("#0b6e4f").on_color(), brand("#0b6e4f").on_white()), ("#ffffff", Some("#0b6e4f")));
        assert!((contrast(luminance("#767676").unwrap(), 1.0) - 4.54).abs() < 0.01);
    }

    #[test]
    fn what_is_no_colour_is_never_written() {
        for color in ["", "red", "#fff", "#12345g", "#+1+1+1", "#ééé", "#000000;background:url(x)"] {
            assert_eq!((brand(color).fill(), brand(color).on_white()), ("#000000", None), "{color}");
        }
    }

    proptest! {
        #[test]
        fn text_on_any_brand_can_be_read(color in "#[0-9a-fA-F]{6}") {
            let text = brand(&color).on_color();
            prop_assert!(contrast(luminance(&color).unwrap(), luminance(text).unwrap()) >= READABLE);
        }
    }
}
