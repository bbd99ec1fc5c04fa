"""The web application in which a person checks, corrects and signs readings."""
