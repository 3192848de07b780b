# The same steps as CI; `cargo xtask --help` explains them.

up *args:
    cargo xtask up {{args}}

test *args:
    cargo xtask test {{args}}

check:
    cargo xtask check

fmt:
    cargo fmt --all

crash cycles="25":
    cargo xtask crash --cycles {{cycles}}

bench what *args:
    cargo xtask bench {{what}} {{args}}
