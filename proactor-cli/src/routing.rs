//! Which upstream a client of a proxy is for: by the name that it asks for over TLS.

use std::fmt;
use std::str::FromStr;

use proactor::Target;

/// One `--route`: a name, or all names of a domain, and where they go.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    name: String,
    pub(crate) target: Target,
}

const FORM: &str = "write NAME=ADDR: chat.example.org=127.0.0.1:8443 or *.example.org=127.0.0.1:8443";

impl FromStr for Route {
    type Err = String;
    fn from_str(text: &str) -> Result<Route, String> {
        let (name, target) = text.split_once('=').ok_or(FORM)?;
        let name = name.to_ascii_lowercase();
        let plain = name.strip_prefix("*.").unwrap_or(&name);
        let is_label = |label: &str| {
            let is_sign = |sign: u8| sign.is_ascii_alphanumeric() || sign == b'-' || sign == b'_';
            (1..=63).contains(&label.len()) && label.bytes().all(is_sign)
        };
        if plain.len() > 253 || !plain.split('.').all(is_label) {
            return Err(format!("'{name}' is no name that a client could ask for; {FORM}"));
        }
        let target = target.parse().map_err(|error| format!("{error}"))?;
        Ok(Route { name, target })
    }
}

/// Upstreams by name. The first is that of `--upstream`, if there is one.
pub(crate) struct Routes {
    names: Vec<(String, usize)>,
    has_default: bool,
}

/// Why a client has no upstream.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Unrouted {
    /// There is no route for its name.
    NoRoute,
    /// It asks for no name.
    NoName,
}

impl fmt::Display for Unrouted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unrouted::NoRoute => "no route for the name",
            Unrouted::NoName => "no name asked for",
        })
    }
}

impl Routes {
    /// The names of these routes, whose upstreams are numbered on from that of `--upstream`.
    pub(crate) fn new(routes: &[Route], has_default: bool) -> Result<Routes, String> {
        let mut names: Vec<(String, usize)> = Vec::new();
        for (at, route) in routes.iter().enumerate() {
            if names.iter().any(|(name, _)| *name == route.name) {
                return Err(format!("--route: '{}' has two upstreams; give it one", route.name));
            }
            names.push((route.name.clone(), at + usize::from(has_default)));
        }
        names.sort_unstable();
        Ok(Routes { names, has_default })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The number of the upstream for a name in lower case: that of the name itself, of its domain
    /// with `*` for the first label, or the default.
    pub(crate) fn choose(&self, name: Option<&str>) -> Result<usize, Unrouted> {
        let named = name.and_then(|name| {
            // A name may be written with the dot of the root.
            let name = name.strip_suffix('.').unwrap_or(name);
            let domain = || name.split_once('.').and_then(|(_, domain)| self.find(&format!("*.{domain}")));
            self.find(name).or_else(domain)
        });
        match (named, name) {
            (Some(upstream), _) => Ok(upstream),
            _ if self.has_default => Ok(0),
            (None, Some(_)) => Err(Unrouted::NoRoute),
            (None, None) => Err(Unrouted::NoName),
        }
    }

    fn find(&self, name: &str) -> Option<usize> {
        let at = self.names.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(self.names[at].1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(texts: &[&str], has_default: bool) -> Routes {
        let routes: Vec<Route> = texts.iter().map(|text| text.parse().unwrap()).collect();
        Routes::new(&routes, has_default).unwrap()
    }

    #[test]
    fn a_name_goes_before_its_domain_and_that_before_the_default() {
        let all = ["*.example.org=10.0.0.1:1", "Chat.Example.org=10.0.0.1:2", "b_c.test=unix:/run/x"];
        let (with, without) = (routes(&all, true), routes(&all, false));
        for (name, upstream) in [
            (Some("chat.example.org"), Some(1)),
            (Some("chat.example.org."), Some(1)),
            (Some("game.example.org"), Some(0)),
            (Some("b_c.test"), Some(2)),
            // A star stands for one label, as in a certificate.
            (Some("a.game.example.org"), None),
            (Some("example.org"), None),
            (Some("*.example.org"), Some(0)),
            (Some("other.test"), None),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(with.choose(name).ok(), Some(upstream.map_or(0, |at| at + 1)), "{name:?}");
            assert_eq!(without.choose(name).ok(), upstream, "{name:?}");
        }
        assert!(without.choose(None) == Err(Unrouted::NoName) && without.choose(Some("x")) == Err(Unrouted::NoRoute));
    }

    #[test]
    fn what_is_no_route_is_named() {
        for text in
            ["", "a", "a=", "=1.2.3.4:5", "a b=1.2.3.4:5", "*=1.2.3.4:5", "a.*.b=1.2.3.4:5", "a..b=1.2.3.4:5", "a=b"]
        {
            assert!(text.parse::<Route>().is_err(), "{text}");
        }
        let twice = ["a.test=1.2.3.4:5", "A.TEST=1.2.3.4:6"].map(|text| text.parse().unwrap());
        assert!(Routes::new(&twice, false).err().unwrap().contains("'a.test' has two upstreams"));
    }
}
