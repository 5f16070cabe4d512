//! Settings that are made only where an option was given.

/// Applies a setting if the option was given.
pub(crate) fn set<S, T>(settings: S, value: Option<T>, setter: impl FnOnce(S, T) -> S) -> S {
    match value {
        Some(value) => setter(settings, value),
        None => settings,
    }
}
