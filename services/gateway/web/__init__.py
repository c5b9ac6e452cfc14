"""The pages: one module for each area, over the same calls as REST."""
