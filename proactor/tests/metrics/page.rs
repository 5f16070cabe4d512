//! A page of metrics, as a scrape reads it.

use std::collections::BTreeMap;

use proactor::Handle;
use proactor::metrics::{Format, encode};

/// A name, and labels.
type Key = (String, BTreeMap<String, String>);

/// The series of a page of Prometheus' text: by name and labels.
pub(crate) struct Page {
    series: BTreeMap<Key, f64>,
}

impl Page {
    pub(crate) fn of<M>(handle: &Handle<M>) -> Page {
        Page::parse(&encode(&handle.registry(), Format::Prometheus))
    }

    pub(crate) fn parse(text: &str) -> Page {
        let mut series = BTreeMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series_name, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = match series_name.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
                None => (series_name, ""),
            };
            let labels = labels.split("\",").filter(|label| !label.is_empty()).map(|label| {
                let (key, value) = label.split_once("=\"").unwrap();
                (key.to_owned(), value.trim_end_matches('"').to_owned())
            });
            let key = (name.to_owned(), labels.collect());
            assert!(series.insert(key, value.parse().unwrap()).is_none(), "twice: {line}");
        }
        Page { series }
    }

    /// The sum of the series of a name that have these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let mut found = self.matching(name, labels).peekable();
        assert!(found.peek().is_some(), "no {name} with {labels:?}");
        found.sum()
    }

    /// As [`sum`](Page::sum), of a metric whose series come with their first count.
    pub(crate) fn sum_or_none(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.matching(name, labels).sum()
    }

    fn matching(&self, name: &str, labels: &[(&str, &str)]) -> impl Iterator<Item = f64> {
        let fits = move |(series, own): &Key| {
            series == name && labels.iter().all(|(key, value)| own.get(*key).is_some_and(|own| own == value))
        };
        self.series.iter().filter(move |(key, _)| fits(key)).map(|(_, value)| *value)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.series.keys().map(|(name, _)| name.as_str())
    }

    /// Checks that every histogram's buckets grow, and end with the count.
    pub(crate) fn check_histograms(&self) {
        let mut buckets: BTreeMap<Key, Vec<(f64, f64)>> = BTreeMap::new();
        for ((name, labels), value) in &self.series {
            if let Some(base) = name.strip_suffix("_bucket") {
                let mut labels = labels.clone();
                let bound = labels.remove("le").unwrap();
                let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
                buckets.entry((base.to_owned(), labels)).or_default().push((bound, *value));
            }
        }
        assert!(!buckets.is_empty());
        for ((base, labels), mut of_one) in buckets {
            of_one.sort_by(|one, other| one.0.total_cmp(&other.0));
            assert!(of_one.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{base}: {of_one:?}");
            let (last, count) = *of_one.last().unwrap();
            assert_eq!(last, f64::INFINITY);
            assert_eq!(Some(&count), self.series.get(&(format!("{base}_count"), labels)));
        }
    }
}
