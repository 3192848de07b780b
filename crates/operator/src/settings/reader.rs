//! Values by precedence (flag, environment, file, default), and what they must look like.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::time::Duration;

use parapet_api::GoDuration;
use regex::Regex;

use super::error::{Origin, Place, SettingsError, Warning};
use super::file::Written;
use super::keys::{self, Effect, KEYS, Key};

/// A key that is that far (in letters) from one that there is was meant to be it.
const TYPO: usize = 2;

/// All that was given, by key.
#[derive(Debug, Default)]
pub(super) struct Reader {
    given: BTreeMap<&'static str, (Written, Origin)>,
    asked: BTreeSet<&'static str>,
    pub(super) warnings: Vec<Warning>,
}

impl Reader {
    /// Takes the file's keys.
    pub(super) fn file(&mut self, keys: Vec<(String, Written, Origin)>) -> Result<(), SettingsError> {
        for (name, value, origin) in keys {
            let place = Place { origin: origin.clone(), key: name.clone() };
            let Some(key) = keys::find(&name) else {
                if let Some(meant) = meant(&name) {
                    return Err(SettingsError::Typo { place, meant });
                }
                let message = "there is no such key; it is ignored".to_owned();
                self.warnings.push(Warning { place, message });
                continue;
            };
            self.warn_of_no_effect(key, &value, &place);
            self.given.insert(key.name, (value, origin));
        }
        Ok(())
    }

    /// Takes the environment's variables over the file's keys.
    pub(super) fn environment(&mut self, variable: impl Fn(&str) -> Option<String>) {
        for key in KEYS {
            let name = key.variable();
            // An empty variable is one that isn't set, as a chart's template leaves it.
            if let Some(value) = variable(&name).filter(|value| !value.is_empty()) {
                self.given.insert(key.name, (Written::One(value), Origin::Environment(name)));
            }
        }
    }

    /// Takes the flags over everything.
    pub(super) fn flags(&mut self, flags: BTreeMap<&'static str, String>) {
        for (name, value) in flags {
            self.given.insert(name, (Written::One(value), Origin::Flag));
        }
    }

    fn warn_of_no_effect(&mut self, key: &Key, value: &Written, place: &Place) {
        if let (Effect::Missing(why), Written::One(value)) = (key.effect, value)
            && value != key.default
        {
            let message = format!("it has no effect: {why}");
            self.warnings.push(Warning { place: place.clone(), message });
        }
    }

    /// Where a key was given; none if its default holds.
    pub(super) fn place(&self, name: &'static str) -> Option<Place> {
        let (_, origin) = self.given.get(name)?;
        Some(Place { origin: origin.clone(), key: name.to_owned() })
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<String, SettingsError> {
        self.asked.insert(name);
        let default = keys::find(name).map_or("", |key| key.default);
        match self.given.get(name) {
            None | Some((Written::Nothing, _)) => Ok(default.to_owned()),
            Some((Written::One(value), _)) => Ok(value.trim().to_owned()),
            // A list of one is what some templates make of a word.
            Some((Written::Many(values), _)) if values.len() == 1 => Ok(values[0].trim().to_owned()),
            Some((Written::Many(values), _)) => {
                Err(self.wrong(name, &values.join(", "), "a list; one value was expected"))
            }
            Some((Written::Mapping(_), _)) => {
                Err(self.wrong(name, "{…}", "a mapping; one value was expected"))
            }
        }
    }

    pub(super) fn list(&mut self, name: &'static str) -> Result<Vec<String>, SettingsError> {
        self.asked.insert(name);
        let words = |text: &str| {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            words.map(str::to_owned).collect()
        };
        match self.given.get(name) {
            None | Some((Written::Nothing, _)) => Ok(Vec::new()),
            Some((Written::One(value), _)) => Ok(words(value)),
            Some((Written::Many(values), _)) => Ok(values.clone()),
            Some((Written::Mapping(_), _)) => Err(self.wrong(name, "{…}", "a mapping; a list was expected")),
        }
    }

    /// The value itself, for a key with a syntax of its own.
    pub(super) fn written(&mut self, name: &'static str) -> Written {
        self.asked.insert(name);
        self.given.get(name).map_or(Written::Nothing, |(value, _)| value.clone())
    }

    pub(super) fn parsed<T: FromStr>(
        &mut self,
        name: &'static str,
        wanted: &'static str,
    ) -> Result<T, SettingsError> {
        let text = self.text(name)?;
        text.parse().map_err(|_| self.wrong(name, &text, wanted))
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, SettingsError> {
        let text = self.text(name)?;
        // What Go's `strconv.ParseBool` takes, which reads such keys in the reference.
        match text.as_str() {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err(self.wrong(name, &text, "neither true nor false")),
        }
    }

    pub(super) fn duration(&mut self, name: &'static str) -> Result<Duration, SettingsError> {
        let text = self.text(name)?;
        text.parse::<GoDuration>()
            .ok()
            .and_then(GoDuration::positive)
            .ok_or_else(|| self.wrong(name, &text, "no duration such as 8760h, 180s or 1h30m"))
    }

    pub(super) fn regexes(&mut self, name: &'static str) -> Result<Vec<Regex>, SettingsError> {
        let texts = self.list(name)?;
        let regex = |text: &String| {
            // The whole label has to fit, as in the reference.
            Regex::new(&format!("^(?:{text})$"))
                .map_err(|error| self.wrong(name, text, &format!("no regular expression: {error}")))
        };
        texts.iter().map(regex).collect()
    }

    pub(super) fn wrong(&self, name: &'static str, found: &str, wanted: &str) -> SettingsError {
        let place = self.place(name).unwrap_or(Place { origin: Origin::Flag, key: name.to_owned() });
        SettingsError::Value { place, found: found.to_owned(), wanted: wanted.to_owned() }
    }

    pub(super) fn clash(&self, name: &'static str, message: impl Into<String>) -> SettingsError {
        let place = self.place(name).unwrap_or(Place { origin: Origin::Flag, key: name.to_owned() });
        SettingsError::Clash { place, message: message.into() }
    }

    /// The keys with an effect that nobody asked for: none, or the table promises what isn't there.
    #[cfg(test)]
    pub(super) fn forgotten(&self) -> Vec<&'static str> {
        let promised = KEYS.iter().filter(|key| key.effect == Effect::Full).map(|key| key.name);
        promised.filter(|name| !self.asked.contains(name)).collect()
    }
}

/// The key that was meant, if the name is close to one.
fn meant(name: &str) -> Option<&'static str> {
    let near = KEYS.iter().map(|key| (strsim::osa_distance(key.name, name), key.name));
    // A short name is close to many.
    near.min().filter(|(distance, _)| *distance <= TYPO && name.len() > 2 * TYPO).map(|(_, name)| name)
}
