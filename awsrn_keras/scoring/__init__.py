"""PSNR and SSIM as published, on pictures and on sets of pictures."""
