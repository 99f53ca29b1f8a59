"""Camera sources (RealSense, V4L2, replay of bags and video files) and the node that publishes them."""
