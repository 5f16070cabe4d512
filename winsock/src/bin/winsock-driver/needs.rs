//! The standard headers that a source uses without including them: MSVC's headers include more of
//! each other than those of libstdc++ and glibc.

use crate::scan::{Kind, Token};
use std::collections::BTreeSet;

/// Names of namespace std that are looked for after `std::`, and (`true`) also without it in a
/// source that says `using namespace std`, when no program has a name like it of its own.
const STANDARD: &[(&str, &str, bool)] = &[
    ("mutex", "mutex", true),
    ("recursive_mutex", "mutex", true),
    ("lock_guard", "mutex", true),
    ("unique_lock", "mutex", true),
    ("scoped_lock", "mutex", true),
    ("call_once", "mutex", true),
    ("shared_mutex", "shared_mutex", true),
    ("shared_lock", "shared_mutex", true),
    ("condition_variable", "condition_variable", true),
    ("thread", "thread", true),
    ("this_thread", "thread", true),
    ("atomic", "atomic", false),
    ("chrono", "chrono", true),
    ("shared_ptr", "memory", true),
    ("unique_ptr", "memory", true),
    ("weak_ptr", "memory", true),
    ("make_shared", "memory", true),
    ("make_unique", "memory", true),
    ("function", "functional", false),
    ("bind", "functional", false),
    ("string", "string", true),
    ("wstring", "string", true),
    ("to_string", "string", true),
    ("stoi", "string", true),
    ("getline", "string", true),
    ("stringstream", "sstream", true),
    ("ostringstream", "sstream", true),
    ("istringstream", "sstream", true),
    ("wstringstream", "sstream", true),
    ("ifstream", "fstream", true),
    ("ofstream", "fstream", true),
    ("setw", "iomanip", true),
    ("setfill", "iomanip", true),
    ("setprecision", "iomanip", true),
    ("cout", "iostream", false),
    ("wcout", "iostream", true),
    ("wcerr", "iostream", true),
    ("wcin", "iostream", true),
    ("cerr", "iostream", false),
    ("vector", "vector", false),
    ("map", "map", false),
    ("set", "set", false),
    ("list", "list", false),
    ("deque", "deque", false),
    ("queue", "queue", false),
    ("priority_queue", "queue", false),
    ("stack", "stack", false),
    ("array", "array", false),
    ("unordered_map", "unordered_map", true),
    ("unordered_set", "unordered_set", true),
    ("pair", "utility", false),
    ("move", "utility", false),
    ("tuple", "tuple", false),
    ("sort", "algorithm", true),
    ("find_if", "algorithm", true),
    ("remove_if", "algorithm", true),
    ("for_each", "algorithm", true),
    ("transform", "algorithm", true),
    ("min", "algorithm", false),
    ("max", "algorithm", false),
    ("find", "algorithm", false),
    ("copy", "algorithm", false),
    ("swap", "algorithm", false),
    ("reverse", "algorithm", false),
    ("accumulate", "numeric", true),
    ("numeric_limits", "limits", true),
    ("runtime_error", "stdexcept", true),
    ("logic_error", "stdexcept", true),
    ("invalid_argument", "stdexcept", true),
    ("out_of_range", "stdexcept", true),
    ("exception", "exception", false),
    ("bad_alloc", "new", true),
    ("terminate", "exception", false),
    ("random_device", "random", true),
    ("mt19937", "random", true),
    ("uniform_int_distribution", "random", true),
    ("locale", "locale", false),
    ("filesystem", "filesystem", false),
    ("optional", "optional", false),
    ("variant", "variant", false),
    ("string_view", "string_view", false),
    ("future", "future", false),
    ("async", "future", false),
    ("initializer_list", "initializer_list", false),
];

/// Names of the C library; `true`: only when called.
const LIBRARY: &[(&str, &str, bool)] = &[
    ("time", "time.h", true),
    ("time_t", "time.h", false),
    ("clock", "time.h", true),
    ("localtime", "time.h", true),
    ("localtime_s", "time.h", true),
    ("ctime", "time.h", true),
    ("gmtime", "time.h", true),
    ("strftime", "time.h", true),
    ("mktime", "time.h", true),
    ("isdigit", "ctype.h", true),
    ("isspace", "ctype.h", true),
    ("isalpha", "ctype.h", true),
    ("isalnum", "ctype.h", true),
    ("isprint", "ctype.h", true),
    ("toupper", "ctype.h", true),
    ("tolower", "ctype.h", true),
    ("FLT_MAX", "float.h", false),
    ("FLT_MIN", "float.h", false),
    ("DBL_MAX", "float.h", false),
    ("FLT_EPSILON", "float.h", false),
    ("sqrt", "math.h", true),
    ("sqrtf", "math.h", true),
    ("pow", "math.h", true),
    ("fabs", "math.h", true),
    ("floor", "math.h", true),
    ("ceil", "math.h", true),
    ("sin", "math.h", true),
    ("cos", "math.h", true),
    ("atan2", "math.h", true),
    ("assert", "assert.h", true),
    ("signal", "signal.h", true),
    ("setlocale", "locale.h", true),
    ("errno", "errno.h", false),
    ("va_start", "stdarg.h", false),
    ("uint32_t", "stdint.h", false),
    ("INT_MAX", "limits.h", false),
];

/// Adds the headers that `tokens` need to `headers`. `using` says that the source has
/// `using namespace std` (here or in a header of its own).
pub(crate) fn collect(
    text: &str,
    tokens: &[Token],
    using: bool,
    cplusplus: bool,
    headers: &mut BTreeSet<&'static str>,
) {
    let word = |index: usize| tokens.get(index).map_or("", |t: &Token| &text[t.start..t.end]);
    for (index, token) in tokens.iter().enumerate().filter(|(_, token)| token.kind == Kind::Word) {
        let name = &text[token.start..token.end];
        let called = word(index + 1) == "(";
        let member =
            index > 0 && (word(index - 1) == "." || (word(index - 1) == ">" && index > 1 && word(index - 2) == "-"));
        if let Some((_, header, _)) = LIBRARY.iter().find(|(n, _, call)| *n == name && (!call || (called && !member))) {
            headers.insert(header);
        }
        if !cplusplus {
            continue;
        }
        let qualified = index > 2 && word(index - 1) == ":" && word(index - 2) == ":" && word(index - 3) == "std";
        if let Some((_, header, _)) =
            STANDARD.iter().find(|(n, _, bare)| *n == name && (qualified || (*bare && using && !member)))
        {
            headers.insert(header);
        }
    }
}

/// Whether the source says `using namespace std`.
pub(crate) fn uses_std(text: &str, tokens: &[Token]) -> bool {
    tokens.windows(3).any(|three| {
        let word = |t: &Token| &text[t.start..t.end];
        word(&three[0]) == "using" && word(&three[1]) == "namespace" && word(&three[2]) == "std"
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scan::scan;

    fn needed(text: &str, cplusplus: bool) -> Vec<&'static str> {
        let tokens = scan(text);
        let mut headers = BTreeSet::new();
        collect(text, &tokens, uses_std(text, &tokens), cplusplus, &mut headers);
        headers.into_iter().collect()
    }

    #[test]
    fn qualified_names_and_those_of_a_using() {
        assert_eq!(needed("std::mutex m; std::vector<int> v;", true), ["mutex", "vector"]);
        assert_eq!(needed("using namespace std; mutex m; vector<int> v;", true), ["mutex"]);
        assert_eq!(needed("mutex m; int list;", true), [""; 0]);
    }

    #[test]
    fn calls_of_the_c_library() {
        assert_eq!(needed("x = time(NULL); toupper('a');", false), ["ctype.h", "time.h"]);
        assert_eq!(needed("int time; s.time(); p->floor(1);", false), [""; 0]);
    }
}
