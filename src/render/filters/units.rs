//! Numbers with units, by the names that Grafana has for them.

use super::measures::duration_text;
use crate::render::words::spoken;

/// How a number of a unit is written.
enum Form {
    /// With this behind it.
    Plain(&'static str),
    /// With this before it.
    Money(&'static str),
    /// In steps of 1000, beginning with that prefix.
    Decimal(usize, &'static str),
    /// In steps of 1024, beginning with that prefix.
    Binary(usize, &'static str),
    /// Times this, in percent.
    Percent(f64),
    /// A span of time, of so many seconds each.
    Seconds(f64),
    /// A span of time in a smaller unit, of which 1000 are the next.
    Split(&'static str, &'static str),
}

use Form::{Binary, Decimal, Money, Percent, Plain, Seconds, Split};

const DECIMAL: [&str; 7] = ["", "k", "M", "G", "T", "P", "E"];
const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];

/// The units that are known. Others are written behind the number.
const UNITS: &[(&str, Form)] = &[
    ("none", Plain("")),
    ("string", Plain("")),
    ("short", Decimal(0, "")),
    ("sishort", Decimal(0, "")),
    ("percent", Percent(1.0)),
    ("%", Percent(1.0)),
    ("percentunit", Percent(100.0)),
    ("humidity", Plain("%H")),
    ("dB", Plain("dB")),
    ("dBm", Plain("dBm")),
    ("ppm", Plain("ppm")),
    // Data.
    ("bytes", Binary(0, "B")),
    ("kbytes", Binary(1, "B")),
    ("mbytes", Binary(2, "B")),
    ("gbytes", Binary(3, "B")),
    ("tbytes", Binary(4, "B")),
    ("pbytes", Binary(5, "B")),
    ("decbytes", Decimal(0, "B")),
    ("deckbytes", Decimal(1, "B")),
    ("decmbytes", Decimal(2, "B")),
    ("decgbytes", Decimal(3, "B")),
    ("dectbytes", Decimal(4, "B")),
    ("decpbytes", Decimal(5, "B")),
    ("bits", Binary(0, "b")),
    ("decbits", Decimal(0, "b")),
    ("Bps", Decimal(0, "B/s")),
    ("binBps", Binary(0, "B/s")),
    ("bps", Decimal(0, "b/s")),
    ("binbps", Binary(0, "b/s")),
    ("KBs", Decimal(1, "B/s")),
    ("MBs", Decimal(2, "B/s")),
    ("GBs", Decimal(3, "B/s")),
    ("TBs", Decimal(4, "B/s")),
    ("KiBs", Binary(1, "B/s")),
    ("MiBs", Binary(2, "B/s")),
    ("GiBs", Binary(3, "B/s")),
    ("TiBs", Binary(4, "B/s")),
    ("Kbits", Decimal(1, "b/s")),
    ("Mbits", Decimal(2, "b/s")),
    ("Gbits", Decimal(3, "b/s")),
    ("Tbits", Decimal(4, "b/s")),
    ("pps", Decimal(0, "p/s")),
    // Throughput.
    ("reqps", Decimal(0, "req/s")),
    ("rps", Decimal(0, "rd/s")),
    ("wps", Decimal(0, "wr/s")),
    ("ops", Decimal(0, "ops/s")),
    ("iops", Decimal(0, "io/s")),
    ("cps", Decimal(0, "c/s")),
    ("eps", Decimal(0, "evt/s")),
    ("mps", Decimal(0, "msg/s")),
    ("recps", Decimal(0, "rec/s")),
    ("rowsps", Decimal(0, "rows/s")),
    ("cpm", Decimal(0, "c/m")),
    ("opm", Decimal(0, "ops/m")),
    ("reqpm", Decimal(0, "req/m")),
    ("rpm", Decimal(0, "rd/m")),
    ("wpm", Decimal(0, "wr/m")),
    ("epm", Decimal(0, "evts/m")),
    ("mpm", Decimal(0, "msgs/m")),
    ("hertz", Decimal(0, "Hz")),
    ("rotrpm", Plain("rpm")),
    // Spans of time.
    ("ns", Split("ns", "µs")),
    ("µs", Split("µs", "ms")),
    ("us", Split("µs", "ms")),
    ("ms", Split("ms", "s")),
    ("s", Seconds(1.0)),
    ("m", Seconds(60.0)),
    ("h", Seconds(3600.0)),
    ("d", Seconds(86_400.0)),
    ("dtdurations", Seconds(1.0)),
    ("dtdurationms", Seconds(0.001)),
    // Energy and the like.
    ("watt", Decimal(0, "W")),
    ("kwatt", Decimal(1, "W")),
    ("watth", Decimal(0, "Wh")),
    ("kwatth", Decimal(1, "Wh")),
    ("voltamp", Decimal(0, "VA")),
    ("volt", Decimal(0, "V")),
    ("kvolt", Decimal(1, "V")),
    ("amp", Decimal(0, "A")),
    ("joule", Decimal(0, "J")),
    ("lumens", Plain("lm")),
    ("lux", Plain("lx")),
    ("celsius", Plain("°C")),
    ("fahrenheit", Plain("°F")),
    ("kelvin", Plain("K")),
    ("pressurebar", Plain("bar")),
    ("pressurembar", Plain("mbar")),
    ("pressurehpa", Plain("hPa")),
    ("pressurepsi", Plain("psi")),
    ("lengthmm", Plain("mm")),
    ("lengthm", Decimal(0, "m")),
    ("lengthkm", Plain("km")),
    ("velocityms", Plain("m/s")),
    ("velocitykmh", Plain("km/h")),
    ("velocitymph", Plain("mph")),
    // Money.
    ("currencyUSD", Money("$")),
    ("currencyEUR", Money("€")),
    ("currencyGBP", Money("£")),
    ("currencyJPY", Money("¥")),
];

/// The names of all units that are known.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    UNITS.iter().map(|(name, _)| *name)
}

/// A number with its unit; with exactly so many decimals, or with as many as say something, two at most.
pub(super) fn with_unit(number: f64, unit: &str, decimals: Option<usize>) -> String {
    let written = |number: f64| match decimals {
        Some(decimals) => fixed(number, decimals),
        None => rounded(number, 2),
    };
    let behind = |number: f64, unit: &str| {
        let space = if unit.is_empty() { "" } else { " " };
        format!("{}{space}{unit}", written(number))
    };
    let scaled = |step: f64, prefixes: &[&str], first: usize, unit: &str| {
        let (mut rest, mut at) = (number, first);
        while rest.abs() >= step && at + 1 < prefixes.len() {
            rest /= step;
            at += 1;
        }
        let prefix = prefixes.get(at).copied().unwrap_or_default();
        behind(rest, &format!("{prefix}{unit}"))
    };
    match UNITS.iter().find(|(name, _)| *name == unit).map(|(_, form)| form) {
        Some(Plain(sign)) => behind(number, sign),
        Some(Money(sign)) => spoken().say("money", &[("sign", sign), ("amount", &written(number))]),
        Some(Decimal(first, unit)) => scaled(1000.0, &DECIMAL, *first, unit),
        Some(Binary(first, unit)) => scaled(1024.0, &BINARY, *first, unit),
        Some(Percent(times)) => format!("{} %", written(number * times)),
        Some(Seconds(each)) if (number * each).abs() >= 60.0 => duration_text(number * each),
        Some(Seconds(each)) => behind(number * each, "s"),
        Some(Split(_, next)) if number.abs() >= 1000.0 => with_unit(number / 1000.0, next, decimals),
        Some(Split(unit, _)) => behind(number, unit),
        None if unit.is_empty() || unit.starts_with(char::is_whitespace) => format!("{}{unit}", written(number)),
        None => behind(number, unit),
    }
}

/// The same number with the decimal mark of the language.
pub(super) fn marked(text: String) -> String {
    match spoken().get("decimal_mark") {
        "." => text,
        mark => text.replace('.', mark),
    }
}

/// With exactly so many decimals.
fn fixed(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return number.to_string();
    }
    if number.abs() >= 1e15 {
        return marked(format!("{number:.decimals$e}"));
    }
    let text = format!("{number:.decimals$}");
    marked(match text.strip_prefix('-') {
        Some(zero) if zero.bytes().all(|byte| matches!(byte, b'0' | b'.')) => zero.to_owned(),
        _ => text,
    })
}

/// At most so many decimals, without zeros at the end, with the decimal mark of the language; tiny numbers keep two digits
/// that say something.
pub(super) fn rounded(number: f64, decimals: usize) -> String {
    if !number.is_finite() {
        return number.to_string();
    }
    if number.abs() >= 1e15 {
        return marked(format!("{number:.decimals$e}"));
    }
    let fixed = format!("{number:.decimals$}");
    let short = if fixed.contains('.') {
        fixed.trim_end_matches('0').trim_end_matches('.')
    } else {
        &fixed
    };
    marked(match short {
        "0" | "-0" if number == 0.0 => "0".to_owned(),
        "0" | "-0" if decimals > 0 => format!("{number:.1e}"),
        "-0" => "0".to_owned(),
        _ => short.to_owned(),
    })
}

/// How a number is printed where a template says nothing about it: in full, but `91` and not `91.0`.
pub(crate) fn number_text(number: f64) -> String {
    if number.abs() >= 1e15 {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::words::{self, Vocabulary};

    #[test]
    fn a_language_has_its_own_decimal_mark_and_its_own_units_of_time() {
        let cases = [
            (96.4375, "", "96,44"),
            (0.979, "percentunit", "97,9 %"),
            (1_610_612_736.0, "bytes", "1,5 GiB"),
            (0.000_123, "", "1,2e-4"),
            (7505.0, "s", "2 h 5 min"),
            (200_000.0, "s", "2 d 7 h"),
            (2_500_000.0, "ns", "2,5 ms"),
            (5.5, "currencyEUR", "5,5 €"),
        ];
        words::with(&Vocabulary::built_in().words(Some("de")), || {
            for (number, unit, text) in cases {
                assert_eq!(with_unit(number, unit, None), text);
            }
            assert_eq!(with_unit(91.0, "percent", Some(2)), "91,00 %");
        });
    }

    #[test]
    fn numbers_have_units() {
        let cases = [
            (96.4375, "", "96.44"),
            (91.0, "%", "91 %"),
            (0.979, "percentunit", "97.9 %"),
            (1_610_612_736.0, "bytes", "1.5 GiB"),
            (2048.0, "mbytes", "2 GiB"),
            (1234.0, "short", "1.23 k"),
            (0.000_123, "", "1.2e-4"),
            (0.0, "", "0"),
            (7505.0, "s", "2 h 5 min"),
            (250.0, "ms", "250 ms"),
            (2_500_000.0, "ns", "2.5 ms"),
            (12.0, " req/s", "12 req/s"),
            (5.0, "reqps", "5 req/s"),
            (5.0, "apples", "5 apples"),
            (21.5, "celsius", "21.5 °C"),
            (5.0, "currencyUSD", "$5"),
            (f64::NAN, "", "NaN"),
        ];
        for (number, unit, text) in cases {
            assert_eq!(with_unit(number, unit, None), text);
        }
        assert_eq!(with_unit(91.0, "percent", Some(2)), "91.00 %");
        assert_eq!(with_unit(-0.001, "", Some(1)), "0.0");
    }
}
