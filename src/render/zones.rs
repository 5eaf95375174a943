//! Time zones by name.
//!
//! Guarantees: they are those of the program, never of the machine. The processes that run templates read no files, and times
//! have to be the same everywhere.

use std::sync::LazyLock;

use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::problem::nearest;

static ZONES: LazyLock<TimeZoneDatabase> = LazyLock::new(TimeZoneDatabase::bundled);

/// A longer name is of no zone.
const LONGEST: usize = 40;

/// The zone of a name that its author may see in the error.
pub fn time_zone(name: &str) -> Result<TimeZone, String> {
    find(name).map_err(|why| format!("`{name:.40}`: {why}"))
}

/// The zone of a name. The error tells the name only if it leads to a known one, because it may be an alert's text.
pub(super) fn find(name: &str) -> Result<TimeZone, String> {
    ZONES.get(name).map_err(|_| match nearest_name(name) {
        Some(known) => format!("no such time zone; did you mean \"{known}\"?"),
        None => "no such time zone (expected a name such as \"Europe/Berlin\")".to_owned(),
    })
}

fn nearest_name(name: &str) -> Option<String> {
    if name.len() > LONGEST {
        return None;
    }
    let known: Vec<String> = ZONES.available().map(|zone| zone.to_string()).collect();
    let city = |zone: &&String| {
        zone.rsplit('/')
            .next()
            .is_some_and(|city| city.eq_ignore_ascii_case(name))
    };
    let found = known.iter().find(city).cloned();
    found.or_else(|| nearest(name, &mut known.iter().map(String::as_str)).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_none_leads_to_the_nearest() {
        assert!(time_zone("Europe/Berlin").is_ok());
        for (name, said) in [
            (
                "Europe/Berln",
                "`Europe/Berln`: no such time zone; did you mean \"Europe/Berlin\"?",
            ),
            ("berlin", "`berlin`: no such time zone; did you mean \"Europe/Berlin\"?"),
            (
                "x",
                "`x`: no such time zone (expected a name such as \"Europe/Berlin\")",
            ),
        ] {
            assert_eq!(time_zone(name).unwrap_err(), said);
        }
    }
}
