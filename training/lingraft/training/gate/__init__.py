"""Did the transfer help?"""
