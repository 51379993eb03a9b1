"""The API's documentation: OpenAPI, the reference pages, the error codes."""
