"""What strangers send, made at random; `GONGYI_BANK_FUZZ_EXAMPLES` examples in the long form."""
