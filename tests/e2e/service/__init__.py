"""Tests with a real BentoML server, whose bento the real deploy step built."""
