//! The parameters of a request, `?name=value&…`. Unknown ones are refused: a filter that is
//! misspelt must not be left out of account.

use std::time::Duration;

use super::answer::Failure;
use crate::values;

#[derive(Debug)]
pub(super) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Those of a query, which may be these.
    pub(super) fn parse(query: Option<&str>, known: &[&str]) -> Result<Parameters, Failure> {
        let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned();
        let pairs: Vec<(String, String)> =
            pairs.filter(|(name, value)| !name.is_empty() || !value.is_empty()).collect();
        for (index, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                return Err(Failure::bad(match known {
                    [] => format!("the parameter {name:?} is unknown: there are none here"),
                    known => format!("the parameter {name:?} is unknown: there are {}", known.join(", ")),
                }));
            }
            if pairs[..index].iter().any(|(earlier, _)| earlier == name) {
                return Err(Failure::bad(format!("the parameter {name} is there twice")));
            }
        }
        Ok(Parameters(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// A number from `least` to `most`.
    pub(super) fn number(&self, name: &str, least: u64, most: u64) -> Result<Option<u64>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
            _ => Err(Failure::bad(format!("{name}={text}: must be a number from {least} to {most}"))),
        }
    }

    pub(super) fn time(&self, name: &str) -> Result<Option<Duration>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        values::any_time(text).map(Some).map_err(|error| Failure::bad(format!("{name}={text}: {error}")))
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, name: &str, choices: &[(&str, T)]) -> Result<Option<T>, Failure> {
        let Some(text) = self.get(name) else { return Ok(None) };
        match choices.iter().find(|(word, _)| *word == text) {
            Some((_, choice)) => Ok(Some(*choice)),
            None => {
                let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
                Err(Failure::bad(format!("{name}={text}: must be one of {}", words.join(", "))))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_what_is_wrong_is_named() {
        let known = ["peer", "limit", "age", "how"];
        let good = Parameters::parse(Some("peer=%5B%3A%3A1%5D+x&limit=7&&age=2m&how=abort"), &known).unwrap();
        assert_eq!((good.get("peer"), good.get("none")), (Some("[::1] x"), None));
        assert_eq!(good.number("limit", 1, 7).unwrap(), Some(7));
        assert_eq!(good.time("age").unwrap(), Some(Duration::from_secs(120)));
        assert_eq!(good.choice("how", &[("close", 1), ("abort", 2)]).unwrap(), Some(2));
        assert!(good.number("limit", 1, 6).unwrap_err().what().contains("limit=7: must be a number from 1 to 6"));
        assert!(good.choice("how", &[("close", ())]).unwrap_err().what().contains("one of close"));
        let wrong = |query| Parameters::parse(Some(query), &known).unwrap_err().what().to_owned();
        assert!(wrong("peers=1").contains("\"peers\" is unknown: there are peer, limit"));
        assert!(wrong("peer=1&peer=2").contains("there twice"));
        assert!(wrong("%00=1").contains("\"\\0\""));
        assert!(Parameters::parse(Some("x"), &[]).unwrap_err().what().contains("there are none here"));
        assert!(Parameters::parse(None, &[]).is_ok() && Parameters::parse(Some(""), &[]).is_ok());
        for text in ["-1", "1.5", "", "99999999999999999999", "many"] {
            let parameters = Parameters::parse(Some(&format!("limit={text}")), &known).unwrap();
            assert!(parameters.number("limit", 0, u64::MAX).is_err(), "{text}");
        }
    }
}
