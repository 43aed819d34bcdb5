"""What reviewers, fuzzers and simulations have found: every fault stays as the smallest example."""
