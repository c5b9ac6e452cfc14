"""Measuring the way of a letter: from the sending API to the recipient's durable inbox."""
