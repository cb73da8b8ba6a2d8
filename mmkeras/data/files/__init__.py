"""Files of samples: opened safely, and read whatever their headers say."""
