"""Copies of content from one place to another."""
