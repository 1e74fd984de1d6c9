"""One function a method of the contract: parameters to services, results back.

Owns no state. There is a module for each family, whose `register` creates the objects that the family needs;
`composition` lists them.
"""
