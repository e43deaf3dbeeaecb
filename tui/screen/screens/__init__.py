"""The screens that are pushed one over the other. Imports panels and details."""
