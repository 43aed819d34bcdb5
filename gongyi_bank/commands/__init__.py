"""Commands: wishes in the imperative, one class per act, one file per noun."""
