"""Evidence over HTTP, for the REST interface and the pages alike: files in and out, in constant memory."""
