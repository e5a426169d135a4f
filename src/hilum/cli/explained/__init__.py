"""Parts of `hilum explain`: what is asked, what stands behind the mount, which way it goes."""
