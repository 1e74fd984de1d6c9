"""One function a method of the contract: parameters to services, results back.

Owns nothing. A module for each family, whose `register` makes what the family works with; `composition` lists them.
"""
