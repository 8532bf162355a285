//! Points and polygons on the earth.

use crate::context::Context;
use crate::error::Error;
use crate::value::java_double;

const EARTH_RADIUS_M: f64 = 6_371_009.0;

fn coordinates(text: &str) -> Result<(f64, f64), Error> {
    let parts = crate::functions::pieces(text);
    if parts.len() < 2 {
        return Err(Error::generic("Fewer than two coordinates provided"));
    }
    let numbers: Vec<f64> = parts.into_iter().map(number).collect::<Result<_, _>>()?;
    Ok((numbers[0], numbers[1]))
}

/// Metres between two points along a sphere; -1 if either is empty.
pub(crate) fn distance(from: &str, to: &str) -> Result<f64, Error> {
    if from.is_empty() || to.is_empty() {
        return Ok(-1.0);
    }
    let (a, b) = (coordinates(from)?, coordinates(to)?);
    let (lat1, lat2) = (a.0.to_radians(), b.0.to_radians());
    let dlat = (lat2 - lat1) / 2.0;
    let dlon = (b.1 - a.1).to_radians() / 2.0;
    let h = dlat.sin().powi(2) + lat1.cos() * lat2.cos() * dlon.sin().powi(2);
    Ok(2.0 * EARTH_RADIUS_M * h.sqrt().min(1.0).asin())
}

fn number(text: &str) -> Result<f64, Error> {
    text.trim().parse::<f64>().map_err(|_| Error::type_mismatch(format!("'{text}' is not a coordinate")))
}

fn checked(lat: f64, lon: f64) -> Result<(f64, f64), Error> {
    if (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon) {
        return Ok((lat, lon));
    }
    Err(Error::generic(format!("The point {lat} {lon} is not on the earth")))
}

fn polygon(text: &str) -> Result<Vec<(f64, f64)>, Error> {
    if text.trim().is_empty() {
        return Err(Error::generic("The polygon is empty"));
    }
    let parts: Vec<&str> = text.trim().split(' ').collect();
    if !parts.len().is_multiple_of(2) || parts.len() < 6 {
        return Err(Error::generic("A polygon needs at least three pairs of latitude and longitude"));
    }
    let numbers: Vec<f64> = parts.into_iter().map(number).collect::<Result<_, _>>()?;
    let mut points: Vec<_> =
        numbers.chunks_exact(2).map(|p| checked(p[0], p[1])).collect::<Result<_, _>>()?;
    if points.first() != points.last() {
        points.push(points[0]);
    }
    Ok(points)
}

fn point(text: &str) -> Result<(f64, f64), Error> {
    if text.is_empty() {
        return Err(Error::generic("The point is empty"));
    }
    let (lat, lon) = coordinates(text)?;
    checked(lat, lon)
}

/// Ray cast along the longitude.
pub(crate) fn inside(at: &str, area: &str) -> Result<bool, Error> {
    let polygon = polygon(area)?;
    let (lat, lon) = point(at)?;
    if polygon.contains(&(lat, lon)) {
        return Ok(true);
    }
    let mut within = false;
    for pair in polygon.windows(2) {
        let ((lat1, lon1), (lat2, lon2)) = (pair[0], pair[1]);
        let crosses = (lat1 > lat) != (lat2 > lat);
        if crosses && lon < (lon2 - lon1) * (lat - lat1) / (lat2 - lat1 + 1e-10) + lon1 {
            within = !within;
        }
    }
    Ok(within)
}

/// The nearest point of the border, as `lat lon`.
pub(crate) fn closest(at: &str, area: &str, cx: &Context<'_>) -> Result<String, Error> {
    let polygon = polygon(area)?;
    let from = point(at)?;
    let mut best = (f64::INFINITY, polygon[0]);
    for pair in polygon.windows(2) {
        cx.spend(100)?;
        let near = project(from, pair[0], pair[1]);
        let (metres, _) = inverse(from, near);
        if metres < best.0 {
            best = (metres, near);
        }
    }
    Ok(format!("{} {}", java_double(best.1.0), java_double(best.1.1)))
}

/// The point of the edge nearest to `from`: along the edge's first azimuth, clamped to its ends.
fn project(from: (f64, f64), start: (f64, f64), end: (f64, f64)) -> (f64, f64) {
    let (length, azimuth) = inverse(start, end);
    if length == 0.0 {
        return start;
    }
    let (metres, bearing) = inverse(start, from);
    let along = metres * (bearing - azimuth).cos();
    if along <= 0.0 {
        start
    } else if along >= length {
        end
    } else {
        direct(start, azimuth, along)
    }
}

const A: f64 = 6_378_137.0;
const F: f64 = 1.0 / 298.257_223_563;
const B: f64 = A * (1.0 - F);

/// Vincenty: metres and first azimuth (radians) between two points on WGS-84.
fn inverse(p: (f64, f64), q: (f64, f64)) -> (f64, f64) {
    let (l, u1, u2) = (
        (q.1 - p.1).to_radians(),
        ((1.0 - F) * p.0.to_radians().tan()).atan(),
        ((1.0 - F) * q.0.to_radians().tan()).atan(),
    );
    let ((su1, cu1), (su2, cu2)) = (u1.sin_cos(), u2.sin_cos());
    let mut lambda = l;
    for _ in 0..100 {
        let (sl, cl) = lambda.sin_cos();
        let sin_sigma = ((cu2 * sl).powi(2) + (cu1 * su2 - su1 * cu2 * cl).powi(2)).sqrt();
        if sin_sigma == 0.0 {
            return (0.0, 0.0);
        }
        let cos_sigma = su1 * su2 + cu1 * cu2 * cl;
        let sigma = sin_sigma.atan2(cos_sigma);
        let sin_alpha = cu1 * cu2 * sl / sin_sigma;
        let cos2_alpha = 1.0 - sin_alpha * sin_alpha;
        let cos2sm = if cos2_alpha == 0.0 { 0.0 } else { cos_sigma - 2.0 * su1 * su2 / cos2_alpha };
        let c = F / 16.0 * cos2_alpha * (4.0 + F * (4.0 - 3.0 * cos2_alpha));
        let previous = lambda;
        lambda = l
            + (1.0 - c)
                * F
                * sin_alpha
                * (sigma + c * sin_sigma * (cos2sm + c * cos_sigma * (2.0 * cos2sm * cos2sm - 1.0)));
        if (lambda - previous).abs() < 1e-13 {
            let u = cos2_alpha * (A * A - B * B) / (B * B);
            let (ka, kb) = series(u);
            let ds = kb
                * sin_sigma
                * (cos2sm
                    + kb / 4.0
                        * (cos_sigma * (2.0 * cos2sm * cos2sm - 1.0)
                            - kb / 6.0
                                * cos2sm
                                * (4.0 * sin_sigma * sin_sigma - 3.0)
                                * (4.0 * cos2sm * cos2sm - 3.0)));
            let azimuth = (cu2 * sl).atan2(cu1 * su2 - su1 * cu2 * cl);
            return (B * ka * (sigma - ds), azimuth);
        }
    }
    // Nearly opposite points: no convergence; half way round the earth is near enough.
    (std::f64::consts::PI * B, if p.0 > q.0 { std::f64::consts::PI } else { 0.0 })
}

fn series(u: f64) -> (f64, f64) {
    (
        1.0 + u / 16384.0 * (4096.0 + u * (-768.0 + u * (320.0 - 175.0 * u))),
        u / 1024.0 * (256.0 + u * (-128.0 + u * (74.0 - 47.0 * u))),
    )
}

/// Vincenty: the point at a distance along an azimuth.
fn direct(p: (f64, f64), azimuth: f64, metres: f64) -> (f64, f64) {
    let (s1, c1) = azimuth.sin_cos();
    let tan_u1 = (1.0 - F) * p.0.to_radians().tan();
    let cu1 = 1.0 / (1.0 + tan_u1 * tan_u1).sqrt();
    let su1 = tan_u1 * cu1;
    let sigma1 = tan_u1.atan2(c1);
    let sin_alpha = cu1 * s1;
    let cos2_alpha = 1.0 - sin_alpha * sin_alpha;
    let (ka, kb) = series(cos2_alpha * (A * A - B * B) / (B * B));
    let mut sigma = metres / (B * ka);
    let mut cos2sm = 0.0;
    for _ in 0..100 {
        cos2sm = (2.0 * sigma1 + sigma).cos();
        let (ss, cs) = sigma.sin_cos();
        let ds = kb
            * ss
            * (cos2sm
                + kb / 4.0
                    * (cs * (2.0 * cos2sm * cos2sm - 1.0)
                        - kb / 6.0 * cos2sm * (4.0 * ss * ss - 3.0) * (4.0 * cos2sm * cos2sm - 3.0)));
        let next = metres / (B * ka) + ds;
        let done = (next - sigma).abs() < 1e-14;
        sigma = next;
        if done {
            break;
        }
    }
    let (ss, cs) = sigma.sin_cos();
    let t = su1 * ss - cu1 * cs * c1;
    let lat = (su1 * cs + cu1 * ss * c1).atan2((1.0 - F) * (sin_alpha * sin_alpha + t * t).sqrt());
    let lambda = (ss * s1).atan2(cu1 * cs - su1 * ss * c1);
    let c = F / 16.0 * cos2_alpha * (4.0 + F * (4.0 - 3.0 * cos2_alpha));
    let l = lambda
        - (1.0 - c) * F * sin_alpha * (sigma + c * ss * (cos2sm + c * cs * (2.0 * cos2sm * cos2sm - 1.0)));
    let lon = p.1 + l.to_degrees();
    (lat.to_degrees(), (lon + 540.0).rem_euclid(360.0) - 180.0)
}
