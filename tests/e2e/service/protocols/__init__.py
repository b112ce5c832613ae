"""Tests of protocols from other projects, with the clients of those projects."""
