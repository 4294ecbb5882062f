"""Rows in, tables, figures and pages out."""
