# Source this file. Builds the program and all examples as `cargo test --workspace` builds them,
# with the features of all packages together, so that nothing but the program is built again after
# it: this one can be a node of a cluster. Sets `program`, and `examples`, the folder of the
# examples.
#
# One test binary is built so by `cargo test --workspace --test NAME --bins`: without the programs,
# macros that one of them uses are built anew, and what they are used by.

cargo build --locked --workspace --features proactor-cli/cluster --lib --bins --examples
program="${CARGO_TARGET_DIR:-$PWD/target}/debug/proactor"
examples="${program%/*}/examples"
