//! The settings of a bucket that was there already. With some of them records vanish, or stay,
//! and two sessions have one key, or nobody can have it.

use serde_json::{Value, json};

/// What a bucket is called, and how it is made.
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) replicas: usize,
}

impl Bucket {
    pub(crate) fn new((prefix, replicas): (&str, usize)) -> Bucket {
        // A bucket has no `.` in its name, and a prefix no `=`.
        Bucket { name: prefix.replace('.', "="), replicas }
    }

    /// The name of its stream.
    pub(crate) fn stream(&self) -> String {
        format!("KV_{}", self.name)
    }

    fn subjects(&self) -> String {
        format!("$KV.{}.>", self.name)
    }

    /// What its stream is to be.
    pub(crate) fn config(&self) -> Value {
        json!({
            "name": self.stream(),
            "subjects": [self.subjects()],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_consumers": -1,
            "num_replicas": self.replicas,
        })
    }

    /// Why keys cannot be kept in a stream with this configuration, if so.
    pub(crate) fn fault(&self, config: &Value) -> Option<String> {
        let is_set = |name: &str| config[name].as_bool() == Some(true);
        let number = |name: &str| config[name].as_i64().unwrap_or(0);
        let has_limit = ["max_msgs", "max_bytes"].iter().any(|limit| number(limit) > 0);
        let has_subjects = config["subjects"].as_array().is_some_and(|all| all.contains(&json!(self.subjects())));
        let subjects = format!("[\"{}\"]", self.subjects());
        let rules = [
            (has_subjects, "subjects", &*subjects, "records would not reach it"),
            (number("max_msgs_per_subject") == 1, "max_msgs_per_subject", "1", "two sessions could have one key"),
            (number("max_age") == 0, "max_age", "0", "keys would be lost while sessions have them"),
            (!is_set("deny_delete"), "deny_delete", "false", "keys could not be freed"),
            (!is_set("sealed"), "sealed", "false", "nothing could be changed"),
            (!is_set("no_ack"), "no_ack", "false", "writes would not be answered"),
            (!is_set("discard_new_per_subject"), "discard_new_per_subject", "false", "no record could be changed"),
            (config["retention"] == "limits", "retention", "\"limits\"", "records would be lost"),
            (
                config["discard"] == "new" || !has_limit,
                "discard",
                "\"new\" if it has a limit",
                "keys would be lost while sessions have them",
            ),
        ];
        let (_, setting, needed, why) = rules.into_iter().find(|(holds, ..)| !holds)?;
        let found = match &config[setting] {
            Value::Null => "nothing".to_owned(),
            value => value.to_string(),
        };
        let (stream, name) = (self.stream(), &self.name);
        Some(format!(
            "its stream {stream} has {setting} = {found}, and must have {needed}: else {why}. Change it with \
             `nats stream edit {stream}`, or, if NATS does not let you, delete the bucket while no node runs \
             (`nats kv del {name}`): the nodes make one that fits"
        ))
    }

    /// What makes it less safe than was asked for, if anything.
    pub(crate) fn weakness(&self, config: &Value) -> Option<String> {
        let replicas = config["num_replicas"].as_u64().unwrap_or(1);
        if config["storage"] == "memory" {
            return Some("it is in memory: a restart of NATS loses all keys, which nodes then claim anew".into());
        }
        (replicas < self.replicas as u64).then(|| {
            let (stream, asked) = (self.stream(), self.replicas);
            format!("it has fewer replicas, {replicas}, than {asked}; `nats stream edit {stream}` can change that")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_nodes_make_is_fit_and_each_setting_that_is_not_is_named() {
        let bucket = Bucket::new(("x.y", 3));
        let own = bucket.config();
        assert_eq!((bucket.fault(&own), bucket.weakness(&own)), (None, None));
        let with = |setting: &str, value: Value| {
            let mut config = own.clone();
            config[setting] = value;
            config
        };
        for (setting, value) in [
            ("subjects", json!(["$KV.other.>"])),
            ("max_msgs_per_subject", json!(5)),
            ("max_age", json!(1_000_000_000)),
            ("deny_delete", json!(true)),
            ("sealed", json!(true)),
            ("no_ack", json!(true)),
            ("discard_new_per_subject", json!(true)),
            ("retention", json!("interest")),
        ] {
            let fault = bucket.fault(&with(setting, value.clone())).expect(setting);
            assert!(fault.contains(&format!("KV_x=y has {setting} = {value}")), "{fault}");
        }
        let mut limited = with("discard", json!("old"));
        assert_eq!(bucket.fault(&limited), None, "nothing makes it discard");
        limited["max_bytes"] = json!(1 << 30);
        assert!(bucket.fault(&limited).is_some_and(|fault| fault.contains("discard = \"old\"")));
        assert!(bucket.weakness(&with("num_replicas", json!(1))).is_some_and(|why| why.contains("fewer replicas, 1")));
        assert!(bucket.weakness(&with("storage", json!("memory"))).is_some());
        assert_eq!(bucket.weakness(&with("num_replicas", json!(5))), None);
        assert!(bucket.fault(&Value::Null).is_some(), "an answer that is none");
    }
}
