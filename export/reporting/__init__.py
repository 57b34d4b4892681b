"""What each precision costs: scores, sizes and times of .tflite files."""
