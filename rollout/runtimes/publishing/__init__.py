"""Publishing: an image comes to the engine that will run it, by its digest and under a name of ours."""
