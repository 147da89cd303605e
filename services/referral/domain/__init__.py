"""The rules of the referral service: values in, values out."""
