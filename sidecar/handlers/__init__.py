"""One function a method of the contract: parameters to services, results back.

Owns nothing but the wiring. A module for each family; `build` puts them together.
"""
