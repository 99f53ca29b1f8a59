"""Device plug-ins, one a module, each importing its vendor's library only when it connects."""
