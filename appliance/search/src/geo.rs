//! Points and distances on the globe.

/// A point in degrees.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Point {
    pub latitude: f64,
    pub longitude: f64,
}

/// Mean radius of the earth.
const EARTH_METERS: f64 = 6_371_008.8;

/// Names of units with their meters.
pub const UNITS: &[(&str, f64)] = &[
    ("miles", 1_609.344),
    ("yards", 0.9144),
    ("feet", 0.3048),
    ("inch", 0.0254),
    ("kilometers", 1_000.0),
    ("meters", 1.0),
    ("centimeters", 0.01),
    ("millimeters", 0.001),
    ("nauticalmiles", 1_852.0),
];

impl Point {
    /// `latitude longitude [altitude accuracy]`, separated by white space or commas.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = [0.0; 4];
        let mut count = 0;
        for part in text.split(|c: char| c.is_whitespace() || c == ',').filter(|p| !p.is_empty()) {
            *numbers.get_mut(count)? = part.parse::<f64>().ok().filter(|n| n.is_finite())?;
            count += 1;
        }
        let [latitude, longitude, ..] = numbers;
        (count >= 2 && latitude.abs() <= 90.0 && longitude.abs() <= 180.0)
            .then_some(Self { latitude, longitude })
    }

    /// Length of the great circle between two points.
    pub fn meters_to(self, other: Self) -> f64 {
        let (a, b) = (self.latitude.to_radians(), other.latitude.to_radians());
        let height = ((b - a) / 2.0).sin().powi(2);
        let width = ((other.longitude - self.longitude).to_radians() / 2.0).sin().powi(2);
        let chord = (height + a.cos() * b.cos() * width).clamp(0.0, 1.0);
        2.0 * EARTH_METERS * chord.sqrt().asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_and_distances() {
        let boston = Point::parse("42.36, -71.06").unwrap();
        let york = Point::parse("40.71 -74.01 10 5").unwrap();
        assert!((boston.meters_to(york) - 306_000.0).abs() < 2_000.0);
        assert_eq!(boston.meters_to(boston), 0.0);
        for text in ["", "1", "a b", "91 0", "0 181", "1 2 3 4 5", "nan 1"] {
            assert_eq!(Point::parse(text), None, "{text}");
        }
    }
}
