"""The scheduler: finishes what is warm, fires deadlines, drives what nobody drives."""
